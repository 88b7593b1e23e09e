"""The learner's commands: in this process on files of their own, and where the process itself matters, in a copy of the course."""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.text import Text

from grader.course import ROOT, Exercise, Section, sections
from grader.desk import commands, memory, terminal
from grader.desk.alone import begun
from tests.classroom import JUMP, PRODUCT, S1, Desk, open_desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk of section 1 alone: what is next is known as soon as that is."""
    with open_desk(tmp_path, S1.stem) as desk:
        yield desk


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="unstatic")
    commands.add_commands(parser.add_subparsers(required=True))
    return parser.parse_args(arguments)


def test_a_name_is_an_exercise_or_the_beginning_of_a_section_s_stem() -> None:
    assert isinstance(parse("check", "q_sample").name, Exercise)
    assert isinstance(parse("check", "s1").name, Section)
    assert parse("show", "q_sample").name == S1


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (("hint", "q_sampel"), "no exercise or section is called 'q_sampel'; did you mean q_sample"),
        (("hint", "tinydenoiser"), "did you mean TinyDenoiser"),
        (("hint", "s1"), "'s1' is a section; name one of its exercises: forward_step"),
        (("check", "flying"), "`unstatic status` lists the exercises"),
        (("hint", "posterior"), "did you mean q_posterior"),
        (("check", "q"), "`unstatic status` lists the exercises"),
        (("check", "q_sample", "--seconds", "-1"), "--seconds -1: give a number of seconds"),
        (("reset", "nonsense"), "`unstatic status` lists the exercises"),
    ],
)
def test_a_name_that_is_not_known_ends_with_advice_where_one_is_near(arguments, advice: str, desk: Desk) -> None:
    said = desk.unstatic(*arguments)
    assert said.returncode == 2
    assert advice in said.stderr


@pytest.mark.parametrize(("variable", "coloured"), [("", True), ("1", False)])
def test_who_wants_no_colour_gets_none_on_a_terminal_either(monkeypatch, variable: str, coloured: bool) -> None:
    monkeypatch.setenv("NO_COLOR", variable)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "")
    said = terminal.rendered(Text("right", style="bold green"), color=True)
    assert ("32m" in said) == coloured
    assert "right" in said


def test_every_command_has_an_example_in_its_help(desk: Desk) -> None:
    for name in commands.NAMES:
        said = desk.unstatic(name, "--help").stdout
        assert f"example: unstatic {name}" in said
        words = said.split("example: unstatic ")[1].split()
        assert parse(*words).run, "and the example can be parsed"


def test_hints_come_one_after_the_other(desk: Desk) -> None:
    hints = S1.exercises["q_sample"].hints

    def ask(*arguments: str) -> str:
        said = desk.unstatic("hint", *arguments)
        assert said.returncode == 0
        return said.stdout

    assert ask("q_sample").startswith(f"hint 1 of 3: {hints[0]}")
    assert ask("q_sample").startswith(f"hint 2 of 3: {hints[1]}")
    assert ask("predict_x0").startswith("hint 1 of 3: ")
    assert ask("q_sample").startswith(f"hint 3 of 3: {hints[2]}")
    assert ask("q_sample").startswith("hint 3 of 3: ")
    assert all(hint in ask("simple_loss", "--all") for hint in S1.exercises["simple_loss"].hints)


def test_hints_are_given_where_nothing_can_be_kept(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, data: bytes) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(memory, "replace_file", refuse)
    first, second = desk.unstatic("hint", "q_sample"), desk.unstatic("hint", "q_sample")
    assert first.returncode == 0
    assert first.stdout.startswith("hint 1 of 3: ")
    assert "nothing is remembered" in first.stderr
    assert "Read-only" in first.stderr
    assert not second.stderr, "said once"


@pytest.mark.parametrize(
    "given",
    ["[3", "[" * 100_000, '{"q_sample": 1e999}', '{"q_sample": -7}'],
    ids=["cut", "nested", "infinite", "negative"],
)
def test_hints_begin_anew_where_what_was_given_is_damaged(desk: Desk, given: str) -> None:
    (desk.folder / ".unstatic").mkdir()
    (desk.folder / ".unstatic" / "hints.json").write_text(given, encoding="utf-8")
    said = desk.unstatic("hint", "q_sample")
    assert said.stdout.startswith("hint 1 of 3")
    assert "begin anew" in said.stderr


# --------------------------------------------------------------------------------------------- where one stands, and why


@pytest.mark.parametrize(
    ("damage", "reason", "line"),
    [
        (lambda data: data + b"# caf\xe9\n", "save it as UTF-8", "line 2"),
        (lambda data: data.replace(b"a.sqrt() * x0", b"a.sqrt( * x0"), "SyntaxError: '(' was never closed", "50"),
        (
            lambda data: data.replace(b"import torch\n", b"import torch\nimport touch\n", 1),
            "No module named 'touch'",
            "9",
        ),
        (lambda data: data.replace(b"import torch\n", b"import torch\nraise SystemExit(3)\n", 1), "SystemExit: 3", "9"),
        (lambda data: data + b"\0", "null byte", ""),
        (lambda data: None, "there is no such file: `unstatic reset s1_forward_reverse` puts the stub there", ""),
        (
            lambda data: data.replace(b"import torch\n", b"import torch\nopen('w.txt')\n", 1),
            "No such file or directory: 'w.txt'",
            "9",
        ),
        (lambda data: data + b"x = " + b"-" * 100_000 + b"1\n", "MemoryError", ""),
        (lambda data: data + b"x = a" + b".b" * 50_000 + b"\n", "RecursionError: maximum recursion depth exceeded", ""),
    ],
    ids=["encoding", "syntax", "import", "exit", "null", "gone", "opened", "nested", "chained"],
)
def test_a_section_that_cannot_be_read_stays_in_the_list_with_the_reason(
    desk: Desk, damage, reason: str, line: str
) -> None:
    desk.hand_in()
    if (data := damage(desk.module.read_bytes())) is None:
        desk.module.unlink()
    else:
        desk.module.write_bytes(data)
    for command in (("status",), ("next",), ("check", "q_sample"), ("solution", "q_sample")):
        said = desk.unstatic(*command)
        assert said.returncode == 1, command
        assert reason in " ".join(said.stdout.split()), (command, said.stdout)
        assert line in said.stdout, command
    assert "s1_forward_reverse cannot be read: 0 of 23 points" in " ".join(desk.unstatic("status").stdout.split())


@pytest.mark.parametrize(
    ("edit", "remark"),
    [
        (("def q_sample(", "def q_sampel("), "there is no q_sample; is q_sampel (line 41) meant?"),
        (("def q_sample(", "def jump("), "there is no q_sample in"),
        (
            (JUMP, "y = a.sqrt() * x0\n    raise NotImplementedError"),
            "`raise NotImplementedError` still stands in line 51, below what is written",
        ),
    ],
    ids=["misspelt", "gone", "left"],
)
def test_what_is_to_do_says_what_is_odd_about_it(desk: Desk, edit: tuple[str, str], remark: str) -> None:
    desk.hand_in(edit)
    said = desk.unstatic("check", "q_sample")
    assert said.returncode == 1
    assert remark in " ".join(said.stdout.split())
    assert remark in " ".join(desk.unstatic("status").stdout.split()), "and what is remembered says it too"


def test_an_exercise_that_is_indented_into_another_is_told_so(desk: Desk) -> None:
    text = S1.solution.read_text(encoding="utf-8")
    before, rest = text.split("def q_sample(", 1)
    body, after = rest.split("def predict_x0(", 1)
    indented = "\n".join(f"    {line}" if line.strip() else "" for line in f"def q_sample({body}".rstrip().split("\n"))
    desk.module.write_text(f"{before.rstrip()}\n\n{indented}\n\n\ndef predict_x0({after}", encoding="utf-8")
    said = " ".join(desk.unstatic("check", "q_sample").stdout.split())
    assert "is indented into compute_alpha_bar: move it to the left margin" in said


def test_an_exercise_that_is_defined_twice_is_told_so_whatever_its_verdict(desk: Desk) -> None:
    desk.hand_in()
    with desk.module.open("a", encoding="utf-8") as file:
        file.write("\n\ndef forward_step(x, beta, noise):\n    return x\n")
    said = " ".join(desk.unstatic("check", "forward_step").stdout.split())
    assert "forward_step is defined 2 times, in lines 15 and " in said
    assert "the last one counts" in said


def test_check_and_status_and_next_agree(desk: Desk) -> None:
    desk.hand_in((PRODUCT, "raise NotImplementedError"))
    check = desk.unstatic("check", "q_posterior")
    assert check.returncode == 1
    assert "waits for compute_alpha_bar" in check.stdout
    status = desk.unstatic("status")
    assert status.returncode == 0
    assert "next: compute_alpha_bar" in status.stdout
    assert desk.unstatic("next").stdout.startswith("next: compute_alpha_bar — What survives")


def test_where_a_section_ends_what_comes_of_it_is_said_and_all_commands_name_the_same_next(tmp_path: Path) -> None:
    """The checks of section 6, some seconds."""
    of = sections()["s6_guidance"]
    with open_desk(tmp_path, of.stem, "s7_latent_diffusion") as desk:
        of.stub.write_text(of.solution.read_text(encoding="utf-8"), encoding="utf-8")
        os.utime(of.stub, (time.time() + 10,) * 2)
        following = f"next: {next(iter(sections()['s7_latent_diffusion'].exercises))} "
        ended = f"All exercises of {of.title} ({of.stem}) pass.\n    rewards     pytest exercises -k s6\n"
        for arguments in (("check", "s6"), ("check", list(of.exercises)[-1]), ("next",), ("status",), ()):
            said = desk.unstatic(*arguments).stdout
            assert following in said, arguments
            assert (ended in said) == (arguments[:1] == ("check",)), arguments


def test_status_says_how_long_and_how_steep(desk: Desk) -> None:
    said = " ".join(desk.unstatic("status").stdout.split())
    one = S1.exercises["q_sample"]
    assert f"q_sample 0/2 {one.minutes} min, {one.difficulty} to do" in said


def test_commands_without_a_name_take_the_exercise_at_hand(desk: Desk) -> None:
    desk.hand_in((JUMP, "raise NotImplementedError"))
    assert desk.unstatic().stdout.startswith("next: q_sample")
    assert desk.unstatic("hint").stdout.startswith("hint 1 of 3 for q_sample")
    assert "your q_sample passes" in desk.unstatic("solution").stdout
    assert "q_sample" in desk.unstatic("check").stdout.split("\n")[1]
    desk.hand_in()
    for command in ("check", "hint", "solution"):
        assert desk.unstatic(command) == (0, "All exercises pass.\n", "")


def test_a_solution_opens_once_the_exercise_passes_and_shows_what_is_different(desk: Desk) -> None:
    closed = desk.unstatic("solution", "q_sample")
    assert closed.returncode == 1
    assert "opens once your q_sample passes" in closed.stdout
    desk.hand_in((JUMP, "return torch.sqrt(a) * x0 + (1 - a).sqrt() * noise"))
    opened = desk.unstatic("solution", "q_sample")
    assert opened.returncode == 0
    assert opened.stdout.startswith("def q_sample(")
    assert f"    {JUMP}" in opened.stdout.split("--- yours")[0]
    assert "\n-    return torch.sqrt(a) * x0" in opened.stdout
    assert f"\n+    {JUMP}" in opened.stdout
    assert "###" not in opened.stdout
    desk.hand_in()
    assert "Yours is the same." in desk.unstatic("solution", "q_sample").stdout


# ------------------------------------------------------------------------------------------------------------ interrupted


@pytest.mark.parametrize("command", ["status", "check", "show", "next", "solution"])
def test_an_interruption_says_what_is_true_of_the_command(desk: Desk, monkeypatch, command: str) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    desk.hand_in()
    monkeypatch.setattr("grader.desk.progress.Progress.known", interrupt)
    monkeypatch.setattr("grader.desk.progress.Progress.attempt", interrupt)
    said = desk.unstatic(command, *(["q_sample"] if command in ("check", "solution") else []))
    assert said.returncode == 130
    assert said.stdout == ""
    assert said.stderr.startswith("unstatic: stopped; ")
    assert "goes on from there" not in said.stderr
    assert ("no picture was drawn" in said.stderr) == (command == "show")


@pytest.mark.skipif(os.name == "nt", reason="sends a signal")
@pytest.mark.parametrize("lacking", ["rich", "matplotlib"])
def test_a_package_that_is_not_installed_is_told_in_a_line(tmp_path: Path, lacking: str) -> None:
    program = (
        f"import sys; sys.modules[{lacking!r}] = None; from grader.__main__ import main; sys.exit(main(['show', 's1']))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 2
    assert f"unstatic: {lacking} is not installed for {sys.executable}" in run.stderr
    assert "pip install -e ." in run.stderr
    assert "Traceback" not in run.stderr


def test_another_package_that_is_missing_is_no_matter_of_the_install() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_package"), begun():
        raise ModuleNotFoundError("No module named 'no_such_package'", name="no_such_package")


def test_an_interruption_at_the_beginning_leaves_no_traceback(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    program = [sys.executable, "-c", "import sys; print(flush=True); from grader.__main__ import main; sys.exit(main(['status']))"]  # fmt: skip
    run = subprocess.Popen(
        program, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert run.stdout is not None
    run.stdout.readline()
    time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=60)
    assert "Traceback" not in said
    assert run.returncode in (0, 1, 130)


@pytest.mark.parametrize("command", ["status", "next", "--help"])
@pytest.mark.parametrize("entry", ["grader", "grader.desk.alone"])
def test_whoever_reads_no_more_ends_a_command_without_a_word(entry: str, command: str):
    """A released repository has the second entry alone."""
    reader, writer = os.pipe()
    os.close(reader)
    program = [sys.executable, "-m", entry, command]
    environment = os.environ | {"PYTHONUNBUFFERED": ""}  # else argparse itself leaves out what nobody reads
    said = subprocess.run(
        program, cwd=ROOT, env=environment, stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False
    )
    os.close(writer)
    assert (said.returncode, said.stderr) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device here is full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_disk_without_room_for_what_is_said_is_told_in_a_line(unbuffered: str) -> None:
    program, environment = [sys.executable, "-m", "grader", "next"], os.environ | {"PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "w") as full:
        said = subprocess.run(
            program, cwd=ROOT, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert (said.returncode, {*said.stderr.splitlines()}) == (1, {"unstatic: [Errno 28] No space left on device"})


@pytest.mark.parametrize(
    ("command", "status"),
    [("next", 0), ("check q_sample", 1), (f"grade '{ROOT}/exercises/s1_forward_reverse.py' --only q_sample", 0)],
)
@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_one_that_nobody_listens_to(tmp_path: Path, command: str, status: int, closed: str) -> None:
    shell = f"exec '{sys.executable}' -m grader {command} {closed}"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    said = subprocess.run(
        ["sh", "-c", shell], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert "Traceback" not in said.stderr
    assert said.returncode == status
