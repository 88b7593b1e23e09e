"""The lessons keep their promises: headings, pictures and numbers."""

import importlib
import os
import re
import subprocess
import sys
from types import ModuleType

import pytest
import torch

from grader.checks.state import tidy
from grader.course import ROOT, Section, sections
from tests.each import pytest_generate_tests  # noqa: F401  runs what follows for each section or exercise

LARGEST_PICTURE = 60_000
HEADING = re.compile(r"^## `(\w+)`$", re.M)
PARTS = ("**The idea.**", "**What people trip over.**")
"""What each heading has, besides its picture: what exercises/lessons/README.md says."""


def where(section: Section) -> str:
    return section.lesson.relative_to(ROOT).as_posix()


def part(section: Section, exercise: str) -> str:
    """What the lesson has under the heading of an exercise, to the next."""
    text = section.lesson.read_text(encoding="utf-8")
    headings = {match[1]: match.end() for match in HEADING.finditer(text)}
    if exercise not in headings:
        pytest.fail(f"{where(section)} has no heading ## `{exercise}`: write it, in the order of the course file")
    return re.split(r"^## ", text[headings[exercise] :], maxsplit=1, flags=re.M)[0]


def test_a_lesson_has_one_heading_an_exercise_in_the_order_of_the_course(section: Section) -> None:
    headings = HEADING.findall(section.lesson.read_text(encoding="utf-8"))
    assert headings == list(section.exercises), (
        f"{where(section)} has the headings {headings}, exercises/course.toml lists {list(section.exercises)}: "
        f"bring the first into the order of the second"
    )


def test_a_heading_has_what_the_lessons_promise(exercise) -> None:
    section = sections()[exercise.section]
    text, picture = part(section, exercise.name), f"](pictures/{section.stem}/{exercise.name}.png)"
    lacking = [sign for sign in (*PARTS, picture) if sign not in text]
    assert not lacking, f"{where(section)}, ## `{exercise.name}`: write {' and '.join(lacking)}"


def test_the_commands_of_the_questions_run(section: Section, capsys: pytest.CaptureFixture, monkeypatch) -> None:
    """Each *predict, then run*, with the reference's answers; a file that a lesson lets one save is there before."""
    text = section.lesson.read_text(encoding="utf-8")
    asked = (
        text.split("## Predict, then run\n")[1]
        .split("\n## ")[0]
        .replace(f"exercises.{section.stem}", f"solutions.{section.stem}")
    )
    for name, code in re.findall(r"```python\n# save as (\w+)\.py.*?\n(.*?)```", asked, re.S):
        saved = ModuleType(name)
        exec(code, saved.__dict__)
        monkeypatch.setitem(sys.modules, name, saved)
    commands = re.findall(r'```sh\npython -c "\n(.*?)\n"\n```', asked, re.S)
    assert len(commands) >= 3, f"{where(section)} asks less than three questions with a command"
    assert asked.count("<details>") >= len(commands), f"{where(section)} does not answer all its questions"
    for command in commands:
        capsys.readouterr()
        with tidy():
            exec(command, {"__name__": "__main__"})
        assert capsys.readouterr().out.strip(), f"{where(section)}: this prints nothing:\n{command}"


def test_an_exercise_has_a_small_picture(exercise) -> None:
    path = sections()[exercise.section].picture(exercise.name)
    name = path.relative_to(ROOT).as_posix()
    draw = (
        f"`make pictures NAME={exercise.name}` draws it, by {exercise.name} in solutions/pictures/{exercise.section}.py"
    )
    assert path.is_file(), f"{name} is not there: {draw}"
    size = path.stat().st_size
    assert size < LARGEST_PICTURE, f"{name} has {size} bytes, of {LARGEST_PICTURE} at most: draw less. {draw}"


def test_no_picture_is_of_nothing(section: Section) -> None:
    wanted = {section.picture(name) for name in section.exercises}
    stray = [path.relative_to(ROOT).as_posix() for path in section.picture("").parent.iterdir() if path not in wanted]
    assert not stray, f"{stray}: no exercise has this name; remove it"


def test_a_picture_is_the_same_to_the_byte_when_it_is_drawn_again(tmp_path) -> None:
    """Whatever the settings of the machine; those that need a training are drawn in the slow tests."""
    (tmp_path / "matplotlibrc").write_text("font.size: 30\n", encoding="utf-8")
    told = draw("--check", "forward_step", "snr", "score_from_eps", MATPLOTLIBRC=str(tmp_path))
    assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.slow
def test_all_pictures_are_the_same_to_the_byte_when_they_are_drawn_again(section: Section) -> None:
    told = draw("--check", section.stem)
    assert told.returncode == 0, f"`make pictures NAME={section.stem}`, and look at them: {told.stdout}{told.stderr}"


def draw(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "solutions.pictures", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, encoding="utf-8", check=False
    )


def test_a_lesson_gives_no_answer(section: Section) -> None:
    """No line of the reference's answers stands in it."""
    answers = re.findall(
        r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", section.solution.read_text(encoding="utf-8"), re.S
    )
    lines = {line.strip() for answer in answers for line in answer.splitlines() if len(line.strip()) > 15}
    assert lines, f"{section.stem}: the solution has no answers between markers"
    lesson = section.lesson.read_text(encoding="utf-8")
    given = [line for line in lines if line in lesson]
    assert not given, f"{where(section)} has lines of the answers: {given}; say them in words"


def test_the_exact_numbers_of_a_lesson_are_the_references(section: Section) -> None:
    numbers = importlib.import_module(f"solutions.numbers.{section.stem}")
    are_quoted(section, numbers.exact(importlib.import_module(f"solutions.{section.stem}")))


@pytest.mark.slow
def test_the_measured_numbers_of_a_lesson_are_the_references(section: Section) -> None:
    """As `make pictures` prints them: with kernels that round alike on every processor."""
    told = draw("--numbers", section.stem)
    assert told.returncode == 0, told.stderr
    printed = re.findall(r"^ *(\S+)  (.+)$", told.stdout, re.M)
    assert printed, f"no numbers: {told.stdout}"
    are_quoted(section, {meaning: number for number, meaning in printed})


def are_quoted(section: Section, found: dict[str, str]) -> None:
    lesson = section.lesson.read_text(encoding="utf-8")
    unquoted = {
        meaning: number
        for meaning, number in found.items()
        if not re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", lesson)
    }
    assert not unquoted, f"{where(section)} does not have what solutions/numbers/{section.stem}.py gives: {unquoted}"


def test_the_drawing_of_the_u_net_has_the_blocks_of_the_network_whose_parameters_are_counted_below_it() -> None:
    """The reference's residual blocks, each with the shape that goes in and that comes out; a tenth of a second."""
    of = sections()["s2_ddpm"]
    text = part(of, "UNet")
    drawing = text.split("```\n")[1]
    drawn = re.findall(r"(\d+x\d+x\d+) ── R ──► (?=(\d+x\d+x\d+))", drawing)
    drawn += [
        (before, after)
        for before, after in re.findall(r"(?=── R ──► (\d+x\d+x\d+)).*?\n.*\n.*└ R, A ──► (\S+) ", drawing)
    ]
    reference = importlib.import_module("solutions.s2_ddpm")
    seen: list[tuple[str, str]] = []

    def shape(tensor: torch.Tensor) -> str:
        return "x".join(map(str, tensor.shape[1:]))

    with tidy(1):
        network = reference.UNet()
        for block in network.modules():
            if type(block).__name__ == "_Residual":
                block.register_forward_hook(lambda block, given, came: seen.append((shape(given[0]), shape(came))))
        network(torch.zeros(1, 1, 28, 28), torch.tensor([0]))
    assert sorted(drawn) == sorted(seen), f"{where(of)}: draw the blocks of the reference, {seen}"
    count = sum(parameter.numel() for parameter in network.parameters())
    assert f"{count} parameters with its defaults" in text, f"{where(of)}: the reference has {count} parameters"
