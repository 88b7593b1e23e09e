"""What the desk remembers, and what it does not: a verdict goes by all that it depends on."""

import json
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from grader.course import ROOT, sections
from grader.desk import depends, memory, patience, trial
from grader.desk.progress import FAIL, PASS, Progress
from grader.faults import RanOn
from tests.classroom import JUMP, S1, Classroom, Desk, open_classroom, open_desk

TEXT = S1.solution.read_text(encoding="utf-8")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path, S1.stem) as desk:
        yield desk


def of(name: str, text: str = TEXT) -> str:
    return depends.of_exercise(S1.exercises[name], S1, text.encode())


def test_a_verdict_depends_on_what_its_checks_reach_of_the_file() -> None:
    before = of("q_sample"), of("simple_loss"), of("forward_step")
    changed = TEXT.replace(JUMP, "return 0 * x0")
    after = of("q_sample", changed), of("simple_loss", changed), of("forward_step", changed)
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, False, True]


@pytest.mark.parametrize(
    "edit",
    [
        ("import torch\n", "import torch\nsqrt = torch.sqrt\n"),
        ("from jaxtyping import Float, Int", "from jaxtyping import Float, Int\n\nEPS = 1e-8"),
    ],
)
def test_a_verdict_depends_on_all_that_belongs_to_no_exercise(edit: tuple[str, str]) -> None:
    assert of("forward_step", TEXT.replace(*edit)) != of("forward_step")


def test_a_verdict_does_not_depend_on_comments_and_other_exercises() -> None:
    assert of("forward_step", TEXT.replace(JUMP, f"{JUMP}  # the jump")) == of("forward_step")
    assert depends.of_file(S1, TEXT.encode()) != depends.of_file(S1, f"{TEXT}# more\n".encode())


@pytest.mark.parametrize(
    "reaching", ["globals()['q_sample'] = None", "getattr(torch, 'sqrt')", "import sys", "exec('')", "HOOK = q_sample"]
)
def test_code_that_may_reach_anything_depends_on_everything(reaching: str) -> None:
    text = TEXT.replace("import torch\n", f"import torch\n{reaching}\n", 1)
    assert of("forward_step", text) != of("forward_step", text.replace(JUMP, "return 0 * x0"))


@dataclass
class Course:
    """A course to change files of, with digests of its own."""

    classroom: Classroom
    patch: pytest.MonkeyPatch

    def digests(self) -> tuple[str, str]:
        depends.surroundings.cache_clear()
        depends.around.cache_clear()
        data = self.classroom.module.read_bytes()
        return depends.of_file(S1, data), depends.of_exercise(S1.exercises["q_sample"], S1, data)


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Course]:
    classroom = open_classroom(tmp_path / "course")
    classroom.hand_in()
    monkeypatch.setattr("grader.course.ROOT", classroom.root)
    monkeypatch.setattr(depends, "ROOT", classroom.root)
    monkeypatch.setattr(depends, "COURSE_FILE", classroom.root / "exercises" / "course.toml")
    yield Course(classroom, monkeypatch)
    depends.surroundings.cache_clear()
    depends.around.cache_clear()


@pytest.mark.parametrize(
    "path",
    [
        "exercises/checks/s1_forward_reverse/test_q_sample.py",
        "exercises/checks/s1_forward_reverse/inputs.py",
        "exercises/checks/expect.py",
        "exercises/toolkit/extract.py",
        "exercises/course.toml",
        "grader/checks/run.py",
        "grader/findings.py",
        "grader/desk/progress.py",
    ],
)
def test_a_verdict_depends_on_the_checks_the_toolkit_and_the_desk(course: Course, path: str) -> None:
    before = course.digests()
    assert course.digests() == before
    with (course.classroom.root / path).open("a", encoding="utf-8") as file:
        file.write("\n# changed\n")
    assert all(one != other for one, other in zip(course.digests(), before, strict=True))


@pytest.mark.parametrize("line", ["from exercises import mine", "import exercises.mine", "from exercises.mine import (\n    a,\n)", "from . import mine", "import mine", "a = 1; import mine", "if torch: import mine", "import importlib; importlib.import_module('mine')", "import importlib; importlib.import_module('mi' + 'ne')", "exec('import mine')"])  # fmt: skip
def test_a_verdict_depends_on_the_files_that_the_learner_imports(course: Course, line: str) -> None:
    mine = course.classroom.root / "exercises" / "mine.py"
    mine.write_text("a = 1\n", encoding="utf-8")
    course.classroom.hand_in(("import torch\n", f"import torch\n{line}\n"))
    before = course.digests()
    mine.write_text("a = 2\n", encoding="utf-8")
    assert all(one != other for one, other in zip(course.digests(), before, strict=True))


@pytest.mark.parametrize("place", ["exercises/table.txt", "table.txt", "tables/fine/0.txt"])
@pytest.mark.parametrize("by", ["", "mine"])
@pytest.mark.parametrize(
    "line", ["open('{place}')", "torch.load('tables/' + NAME)", "from numpy import load; load(tables)"]
)
def test_a_verdict_depends_on_the_files_that_may_be_read(course: Course, place: str, by: str, line: str) -> None:
    root = course.classroom.root
    (root / place).parent.mkdir(parents=True, exist_ok=True)
    (root / place).write_text("1 2\n", encoding="utf-8")
    line = line.format(place=place)
    (root / "exercises" / "mine.py").write_text(f"{line}\n" if by else "", encoding="utf-8")
    course.classroom.hand_in(("import torch\n", f"import torch\n{f'import {by}' if by else line}\n"))
    before = course.digests()
    assert course.digests() == before
    (root / place).write_text("1 3 5\n", encoding="utf-8")
    assert all(one != other for one, other in zip(course.digests(), before, strict=True))


@pytest.mark.parametrize("line", ["", "open('table.txt')"])
def test_a_verdict_does_not_depend_on_other_sections_nor_on_what_is_not_named(course: Course, line: str) -> None:
    course.classroom.hand_in(("import torch\n", f"import torch\n{line}\n"))
    before = course.digests()
    for name in ("s2_ddpm.py", *(("scratch.py", "notes.txt", "more/table.csv") if not line else ())):
        path = course.classroom.root / "exercises" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("# mine\n", encoding="utf-8")
    assert course.digests() == before


def test_a_reward_depends_on_the_file_its_test_what_draws_it_and_the_threads(course: Course) -> None:
    root = course.classroom.root
    test = root / "exercises" / "end_to_end" / "test_s1_forward_reverse.py"

    def key(threads: int = 1) -> str:
        course.digests()
        return depends.of_reward(S1, course.classroom.module.read_bytes(), test, threads)

    keys = [key(), key(threads=2)]
    for path in (
        course.classroom.module,
        test,
        root / "exercises/gallery/__init__.py",
        root / "exercises/toolkit/moons.py",
    ):
        path.write_text(path.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
        keys.append(key())
    assert len(set(keys)) == 6
    assert key() == keys[-1]


def test_a_verdict_depends_on_all_that_is_installed(course: Course, tmp_path: Path) -> None:
    before = course.digests()
    (tmp_path / "site" / "torch-99.0.dist-info").mkdir(parents=True)
    course.patch.setattr(sys, "path", [*sys.path, str(tmp_path / "site")])
    assert course.digests() != before


def test_a_verdict_depends_on_what_an_import_runs_of_other_exercises_and_on_what_that_names() -> None:
    decorated = TEXT.replace("class TinyDenoiser(", "@noted(q_sample)\nclass TinyDenoiser(")
    assert of("forward_step", decorated) != of("forward_step")
    assert of("forward_step", decorated.replace(JUMP, "return 0 * x0")) != of("forward_step", decorated)


# ----------------------------------------------------------------------------------------------------- what is remembered


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The checks that are run from here on."""
    ran: list[str] = []
    really = trial.trial

    def counting(check, *rest):
        ran.append(check.exercise)
        return really(check, *rest)

    monkeypatch.setattr(trial, "trial", counting)
    return ran


def test_nothing_is_judged_twice_where_nothing_has_changed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.hand_in((JUMP, "return x0 + noise"))
    ran = counted(monkeypatch)
    first = desk.unstatic("status")
    assert set(ran) == set(S1.exercises)
    ran.clear()
    assert desk.unstatic("status") == first
    assert desk.unstatic("next").stdout.startswith("next: q_sample")
    assert ran == []
    desk.hand_in()
    assert "23 of 23" in desk.unstatic("status").stdout
    assert set(ran) == {"q_sample", "simple_loss", "train_denoiser"}, "what uses q_sample, and nothing else"


@pytest.mark.parametrize(
    "edit",
    [
        ("def q_sample(\n    x0: Float[Tensor,", "def q_sample(\n    x0: Float[Tensro,"),
        ("def q_sample(", "@torch.no_gard()\ndef q_sample("),
        ("class TinyDenoiser(nn.Module)", "class TinyDenoiser(nn.Modul)"),
        ("def forward(self, x: Float[Tensor,", "def forward(self, x: Float[Tensro,"),
        (JUMP, f"break\n    {JUMP}"),
    ],
    ids=["an annotation", "a decorator", "a base", "a method's annotation", "a break without a loop"],
)
def test_a_file_that_cannot_be_imported_any_more_has_no_points_for_what_passed_before(
    desk: Desk, edit: tuple[str, str]
) -> None:
    desk.hand_in()
    assert "23 of 23 points" in desk.unstatic("status").stdout
    desk.hand_in(edit)
    said = desk.unstatic("status")
    assert (said.returncode, "cannot be read: 0 of 23 points" in said.stdout) == (1, True), said.stdout
    with Progress() as progress:
        assert not progress.done(S1)


def test_a_check_that_is_asked_for_runs_again_and_what_it_needs_does_not(desk: Desk, monkeypatch) -> None:
    desk.hand_in()
    desk.unstatic("status")
    ran = counted(monkeypatch)
    assert desk.unstatic("check", "simple_loss").returncode == 0
    assert set(ran) == {"simple_loss"}


def test_what_is_remembered_is_nothing_of_another_seed(desk: Desk) -> None:
    desk.hand_in()
    with Progress(seed=5) as progress:
        assert progress.known("forward_step").state == PASS
    assert not (desk.folder / ".unstatic").exists()


def test_what_ran_on_is_not_remembered(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.hand_in((JUMP, "while len(noise) < int(__import__('os').environ['ROWS']): pass\n    " + JUMP))
    monkeypatch.setenv("ROWS", "10")
    monkeypatch.setenv("UNSTATIC_SECONDS", "0.1")
    with Progress() as progress:
        assert progress.known("q_sample").ran_on
    monkeypatch.setenv("ROWS", "0")
    monkeypatch.setenv("UNSTATIC_SECONDS", "20")
    with Progress() as progress:
        assert progress.known("q_sample").state == PASS


def test_a_file_that_changes_while_it_is_judged_is_judged_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.hand_in((JUMP, "return x0 + noise"))
    really = trial.trial

    def saved_meanwhile(check, *rest):
        desk.hand_in()
        return really(check, *rest)

    monkeypatch.setattr(trial, "trial", saved_meanwhile)
    with Progress() as progress:
        assert progress.known("q_sample").state == FAIL
    with Progress() as progress:
        assert progress.known("q_sample").state == PASS


def test_a_verdict_is_not_remembered_where_a_file_beside_was_saved_meanwhile(course: Course, tmp_path: Path) -> None:
    exercise, found = S1.exercises["q_sample"], memory.Verdict(FAIL, [], [])
    mine = course.classroom.root / "exercises" / "mine.py"
    mine.write_text("a = 1\n", encoding="utf-8")
    course.classroom.hand_in(("import torch\n", "import torch\nimport mine\n"))
    for text, known in (("a = 2\n", None), ("a = 2\n", found)):
        judged = memory.Memory(tmp_path / "judged")
        assert not judged.readable(S1)
        mine.write_text(text, encoding="utf-8")
        judged.learn(exercise, found)
        judged.flush()
        assert memory.Memory(tmp_path / "judged").verdict(exercise) == known


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"state": "unfinished"', '"state": "pass"'),
        lambda text: "[]",
        lambda text: "{}",
        lambda text: "\x00",
        lambda text: "[" * 100_000,
    ],
    ids=["cut", "forged", "list", "empty", "zero", "nested"],
)
def test_what_is_damaged_is_told_once_and_made_anew(desk: Desk, damage) -> None:
    first = desk.unstatic("status")
    path = desk.folder / ".unstatic" / "judged" / f"{S1.stem}.json"
    path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")
    again = desk.unstatic("status")
    assert again.stdout == first.stdout
    assert again.stderr.count("is damaged: ") == 1
    memory._told.clear()
    assert desk.unstatic("status").stderr == ""
    assert json.loads(path.read_text(encoding="utf-8"))["whole"]


def test_where_nothing_has_changed_torch_is_not_imported(tmp_path: Path) -> None:
    classroom = open_classroom(tmp_path / "course")
    for one in sections().values():  # what is plainly a stub is not run, but each file has to be imported once
        (classroom.root / "exercises" / f"{one.stem}.py").write_bytes(
            (ROOT / "exercises" / f"{one.stem}.py").read_bytes()
        )
    assert classroom.unstatic("status").returncode == 0
    program = (
        "import sys; from grader.__main__ import main\n"
        "for words in (['status'], ['next'], ['hint'], ['hint', 'q_sample'], []): assert main(words) == 0\n"
        "heavy = {'torch', 'pytest', 'hypothesis', 'numpy', 'scipy', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    run = classroom.run("-c", program)
    assert run.returncode == 0, run.stderr


# --------------------------------------------------------------------------------------------------------------- patience


def test_patience_ends_what_runs_in_another_thread_too() -> None:
    said: list[str] = []

    def work() -> None:
        try:
            with patience.within(0.1):
                while True:
                    sum(range(1000))
        except RanOn as error:
            said.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert said == [patience.told(0.1)]


def test_patience_leaves_alone_what_is_done_in_time() -> None:
    with patience.within(0.05):
        pass
    time.sleep(0.1)
    with patience.within(0):
        time.sleep(0.1)


def test_patience_does_not_count_while_a_debugger_is_at_work() -> None:
    began, module = time.monotonic(), {"__name__": "pdb", "time": time}
    exec("def interaction():\n    for _ in range(10): time.sleep(0.03)", module)

    def debugged_and_then_without_end() -> None:
        module["interaction"]()
        while True:
            pass

    with patience.within(0.1), pytest.raises(RanOn):
        debugged_and_then_without_end()
    assert time.monotonic() - began > 0.35
