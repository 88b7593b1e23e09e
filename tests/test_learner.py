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

from grader.course import ROOT, Exercise, Section, sections
from grader.desk import commands, memory, restoring
from tests.classroom import Desk, open_desk

S1 = "s1_forward_reverse"
JUMP = "return a.sqrt() * x0 + (1 - a).sqrt() * noise"
PRODUCT = "return torch.cumprod(1 - betas, dim=0)"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk of section 1 alone: what is next is known as soon as that is."""
    with open_desk(tmp_path, S1) as desk:
        yield desk


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="unstatic")
    commands.add_commands(parser.add_subparsers(required=True))
    return parser.parse_args(arguments)


def test_a_name_is_an_exercise_or_the_beginning_of_a_section_s_stem() -> None:
    assert isinstance(parse("check", "q_sample").name, Exercise)
    assert isinstance(parse("check", "s1").name, Section)
    assert parse("show", "q_sample").name == sections()[S1]


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (("hint", "q_sampel"), "no exercise or section is called 'q_sampel'; did you mean q_sample"),
        (("hint", "tinydenoiser"), "did you mean TinyDenoiser"),
        (("hint", "s1"), "'s1' is a section; name one of its exercises: forward_step"),
        (("check", "flying"), "`unstatic status` lists the exercises"),
        (("reset", "nonsense"), "`unstatic status` lists the exercises"),
    ],
)
def test_a_name_that_is_not_known_ends_with_advice_where_one_is_near(arguments, advice: str, desk: Desk) -> None:
    said = desk.unstatic(*arguments)
    assert said.returncode == 2
    assert advice in said.stderr


def test_every_command_has_an_example_in_its_help(desk: Desk) -> None:
    for name in commands.NAMES:
        said = desk.unstatic(name, "--help").stdout
        assert f"example: unstatic {name}" in said
        words = said.split("example: unstatic ")[1].split()
        assert parse(*words).run, "and the example can be parsed"


def test_hints_come_one_after_the_other(desk: Desk) -> None:
    hints = sections()[S1].exercises["q_sample"].hints

    def ask(*arguments: str) -> str:
        said = desk.unstatic("hint", *arguments)
        assert said.returncode == 0
        return said.stdout

    assert ask("q_sample").startswith(f"hint 1 of 3: {hints[0]}")
    assert ask("q_sample").startswith(f"hint 2 of 3: {hints[1]}")
    assert ask("predict_x0").startswith("hint 1 of 3: ")
    assert ask("q_sample").startswith(f"hint 3 of 3: {hints[2]}")
    assert ask("q_sample").startswith("hint 3 of 3: ")
    assert all(hint in ask("simple_loss", "--all") for hint in sections()[S1].exercises["simple_loss"].hints)


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


def test_hints_begin_anew_where_what_was_given_is_damaged(desk: Desk) -> None:
    (desk.folder / ".unstatic").mkdir()
    (desk.folder / ".unstatic" / "hints.json").write_text("[3", encoding="utf-8")
    said = desk.unstatic("hint", "q_sample")
    assert said.stdout.startswith("hint 1 of 3")
    assert "begin anew" in said.stderr


# ------------------------------------------------------------------------------------------------ reset, and its undoing


def test_reset_puts_a_stub_back_and_keeps_the_learner_s_work(desk: Desk) -> None:
    stub = desk.module.read_text(encoding="utf-8")
    desk.hand_in()
    mine = desk.module.read_text(encoding="utf-8")
    assert desk.unstatic("reset", "q_sample").returncode == 0
    kept = desk.folder / ".unstatic" / "kept" / f"{S1}-1.py"
    assert kept.read_text(encoding="utf-8") == mine
    now = desk.module.read_text(encoding="utf-8")
    assert now.count("raise NotImplementedError") == 1
    assert now.split("def q_sample")[0] == mine.split("def q_sample")[0]
    assert now.split("def predict_x0")[1] == mine.split("def predict_x0")[1]

    assert desk.unstatic("reset", "s1").returncode == 0
    assert desk.module.read_text(encoding="utf-8") == stub
    assert (desk.folder / ".unstatic" / "kept" / f"{S1}-2.py").read_text(encoding="utf-8") == now


def test_reset_keeps_no_stub_and_nothing_twice(desk: Desk) -> None:
    desk.hand_in()
    for _ in range(3):
        desk.unstatic("reset", "s1")
    kept = desk.folder / ".unstatic" / "kept"
    assert [path.name for path in kept.iterdir()] == [f"{S1}-1.py"]
    desk.hand_in()
    assert f"{S1}-1.py" in desk.unstatic("reset", "s1").stdout
    assert len(list(kept.iterdir())) == 1


@pytest.mark.parametrize("name", [("s1",), ("q_sample",), ()])
def test_reset_can_be_undone(desk: Desk, name: tuple[str, ...]) -> None:
    desk.hand_in()
    mine = desk.module.read_text(encoding="utf-8")
    desk.unstatic("reset", *(name or ("s1",)))
    assert desk.module.read_text(encoding="utf-8") != mine
    said = desk.unstatic("reset", *name, "--undo")
    assert said.returncode == 0, said
    now = desk.module.read_text(encoding="utf-8")
    assert (
        now == mine.replace("    ### BEGIN SOLUTION\n", "").replace("    ### END SOLUTION\n", "")
        or now == mine
        or (restoring.lines_of("q_sample", now) == restoring.lines_of("q_sample", mine))
    )


def text_of(desk: Desk) -> str:
    return desk.module.read_text(encoding="utf-8")


def test_resets_are_taken_back_one_by_one_and_nothing_else_is(desk: Desk) -> None:
    desk.hand_in()
    mine = {name: restoring.lines_of(name, text_of(desk)) for name in ("q_sample", "predict_x0", "sample")}
    desk.unstatic("reset", "q_sample")
    desk.unstatic("reset", "--undo")
    desk.unstatic("reset", "predict_x0")  # the copy that is there already has all of this too
    desk.unstatic("reset", "sample")
    assert "predict_x0 is again" in desk.unstatic("reset", "predict_x0", "--undo").stdout
    desk.module.write_text(text_of(desk) + "\nAFTERWARDS = 1\n", encoding="utf-8")
    assert "sample is again" in desk.unstatic("reset", "--undo").stdout
    assert {name: restoring.lines_of(name, text_of(desk)) for name in mine} == mine
    assert "AFTERWARDS = 1" in text_of(desk)
    said = desk.unstatic("reset", "--undo")
    assert said.returncode == 1
    assert "Nothing was reset that has not been taken back" in said.stdout


def test_of_a_section_that_was_reset_one_exercise_can_be_taken_back(desk: Desk) -> None:
    desk.hand_in()
    mine = text_of(desk)
    desk.unstatic("reset", "s1")
    desk.unstatic("reset", "q_sample", "--undo")
    assert restoring.lines_of("q_sample", text_of(desk)) == restoring.lines_of("q_sample", mine)
    assert restoring.lines_of("sample", text_of(desk)) != restoring.lines_of("sample", mine)
    desk.unstatic("reset", "--undo")
    assert text_of(desk) == mine


def test_undo_without_a_reset_says_that_there_is_none(desk: Desk) -> None:
    said = desk.unstatic("reset", "--undo")
    assert said.returncode == 1
    assert "Nothing was reset" in said.stdout


def test_reset_without_a_name_asks_for_one(desk: Desk) -> None:
    said = desk.unstatic("reset")
    assert said.returncode == 2
    assert "unstatic reset q_sample" in said.stderr


def test_reset_of_one_exercise_in_a_file_that_is_no_python_puts_its_stub_back(desk: Desk) -> None:
    desk.hand_in((JUMP, "return a.sqrt( * x0"))
    assert desk.unstatic("reset", "q_sample").returncode == 0
    text = desk.module.read_text(encoding="utf-8")
    compile(text, "s1", "exec")
    assert text.count("raise NotImplementedError") == 1
    assert PRODUCT in text


def test_reset_of_another_exercise_than_the_broken_one_says_what_is_left_to_mend(desk: Desk) -> None:
    desk.hand_in((JUMP, "return a.sqrt( * x0"))
    said = desk.unstatic("reset", "predict_x0").stdout
    assert "still cannot be read: line 50: SyntaxError" in said


def test_reset_puts_a_stub_where_there_is_none(desk: Desk) -> None:
    desk.hand_in(("def q_sample(", "def q_sampel("))
    assert desk.unstatic("reset", "q_sample").returncode == 0
    text = desk.module.read_text(encoding="utf-8")
    assert text.index("def q_sampel(") < text.index("def q_sample(") < text.index("def predict_x0(")


def test_reset_of_a_file_in_no_known_encoding_names_the_line(desk: Desk) -> None:
    desk.hand_in()
    desk.module.write_bytes(desk.module.read_bytes() + b"# caf\xe9\n")
    before = desk.module.read_bytes()
    said = desk.unstatic("reset", "q_sample")
    assert said.returncode == 1
    assert "save it as UTF-8" in said.stdout
    line = before.count(b"\n")
    assert f"line {line}" in said.stdout
    assert desk.module.read_bytes() == before


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
    ],
    ids=["encoding", "syntax", "import", "exit", "null", "gone"],
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
    text = sections()[S1].solution.read_text(encoding="utf-8")
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


def test_status_says_how_long_and_how_steep(desk: Desk) -> None:
    said = " ".join(desk.unstatic("status").stdout.split())
    one = sections()[S1].exercises["q_sample"]
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


# ------------------------------------------------------------------------------------------------------- what a check says


def checked(desk: Desk, name: str, *edits: tuple[str, str]) -> str:
    desk.hand_in(*edits)
    said = desk.unstatic("check", name)
    assert said.returncode == 1
    return " ".join(said.stdout.split())


def test_an_answer_that_runs_on_is_interrupted_with_the_line_that_was_running(desk: Desk, monkeypatch) -> None:
    monkeypatch.setenv("UNSTATIC_SECONDS", "0.2")
    line = "while True: 1 + 1"
    said = checked(desk, "q_sample", (JUMP, line))
    assert "runs on without an end" in said
    assert "it ran on for 0.2 s and was interrupted" in said
    assert f"running {S1}.py:50, in q_sample: {line}" in said
    assert "looks like" not in said


def test_an_answer_that_catches_everything_is_interrupted_all_the_same(desk: Desk, monkeypatch) -> None:
    monkeypatch.setenv("UNSTATIC_SECONDS", "0.2")
    loop = "while True:\n        try:\n            for i in range(1000): pass\n        except:\n            pass"
    assert "runs on without an end" in checked(desk, "q_sample", (JUMP, loop))


def test_an_import_that_runs_on_is_interrupted_with_its_line(desk: Desk, monkeypatch) -> None:
    monkeypatch.setenv("UNSTATIC_SECONDS", "0.2")
    said = checked(desk, "q_sample", ("import torch\n", "import torch\nwhile True: pass\n"))
    assert "ran on for 0.2 s" in said
    assert "while True: pass" in said


def test_the_limit_can_be_set_and_one_that_is_no_number_is_refused(desk: Desk, monkeypatch) -> None:
    monkeypatch.setenv("UNSTATIC_SECONDS", "soon")
    said = desk.unstatic("check", "forward_step")
    assert said.returncode in (1, 2)
    desk.hand_in()
    said = desk.unstatic("check", "forward_step")
    assert (said.returncode, said.stdout) == (2, "")
    assert "UNSTATIC_SECONDS=soon: give a number of seconds" in said.stderr
    desk.hand_in((JUMP, "while True: pass"))
    assert "ran on for 0.1 s" in desk.unstatic("check", "q_sample", "--seconds", "0.1").stdout


def test_every_line_of_the_learner_s_own_on_the_way_is_shown(desk: Desk) -> None:
    deep = "a = deeper(alpha_bar, t, x0)\n    return a\n\n\ndef deeper(table, t, x0):\n    return table[5000]"
    said = checked(desk, "q_sample", (JUMP, deep))
    assert f"at {S1}.py:55, in deeper: return table[5000]" in said
    assert f"from {S1}.py:50, in q_sample: a = deeper(alpha_bar, t, x0)" in said


def test_of_a_recursion_both_ends_are_shown(desk: Desk) -> None:
    said = checked(desk, "q_sample", (JUMP, "return q_sample(x0, t, noise, alpha_bar)"))
    assert "RecursionError" in said
    assert "lines more of the way" in said
    assert said.count("in q_sample:") == 6


def test_text_of_the_learner_s_own_making_is_cut(desk: Desk) -> None:
    desk.hand_in((JUMP, "print('y' * 200000)\n    raise ValueError('x' * 200000)"))
    said = desk.unstatic("check", "q_sample").stdout
    assert len(said) < 5000
    assert "ValueError: xxx" in " ".join(said.split())
    assert "(200012 characters)" in " ".join(said.split())


def test_of_a_pair_the_message_says_which_part_and_which_other_has_its_shape(desk: Desk) -> None:
    said = checked(
        desk, "q_posterior", ("return mean, extract(variance, t, x0)", "return extract(variance, t, x0), mean")
    )
    assert "came back the mean: shape (2, 1) (what came as the variance has this shape: is the order right?)" in said


def test_what_did_not_happen_is_a_sentence(desk: Desk) -> None:
    said = checked(desk, "train_denoiser", ("optimizer.step()", "pass"))
    assert "came back [" not in said
    assert "'weight', 'bias'" not in said


def test_a_loss_that_went_backward_already_is_told_as_that(desk: Desk) -> None:
    text = sections()[S1].solution.read_text(encoding="utf-8")
    line = next(line for line in text.split("def simple_loss(")[1].split("\n") if line.strip().startswith("return "))
    value = line.strip().removeprefix("return ")
    said = checked(desk, "simple_loss", (line, f"    loss = {value}\n    loss.backward()\n    return loss"))
    assert "retain_graph" not in said
    assert "backward" in said


def test_the_formula_that_is_the_answer_waits_for_the_last_hint(desk: Desk) -> None:
    edits = ("(x_t - (1 - a).sqrt() * eps) / a.sqrt()", "x_t - (1 - a).sqrt() * eps")
    said = checked(desk, "predict_x0", edits)
    assert "because the jump of x_0 = 1 with ε = 1, undone" in said
    assert "√0.36" not in said
    assert "formula told here after the last hint: unstatic hint predict_x0" in said
    for _ in range(3):
        desk.unstatic("hint", "predict_x0")
    said = checked(desk, "predict_x0", edits)
    assert "because (1.4 - √0.64 * 1) / √0.36 = 1: the jump of x_0 = 1 with ε = 1, undone" in said
    assert "formula" not in said


def test_what_holds_already_is_said_before_what_does_not(desk: Desk) -> None:
    said = checked(desk, "q_sample", (JUMP, JUMP.replace("noise", "noise.detach()")))
    assert (
        "holds 5 of 6: numbers that can be worked out by hand; each sample jumps to its own level; it works on" in said
    )
    assert said.index("holds") < said.index("came back")
    assert "holds" not in checked(desk, "compute_alpha_bar", (PRODUCT, "return betas.sum()")), "nothing does"


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
