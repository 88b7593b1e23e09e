"""`pytest exercises/` as a learner sees it, in copies of the course."""

import os
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from exercises.checks.expect import LAST_CALL, Mismatch
from grader.checks.collect import collect
from grader.checks.state import global_seed, tidy
from grader.checks.under_test import UnderTest
from grader.desk import training
from tests.classroom import JUMP, S1, Classroom, open_classroom

NOISE = ("Traceback", "FAILURES", "short test summary", "Falsifying", "NotImplementedError", "rootdir", "passed in")
POINTS = sum(exercise.points for exercise in S1.exercises.values())
NO_ROOTS = ("a.sqrt() * x0 + (1 - a).sqrt() * noise", "a * x0 + (1 - a) * noise")


@pytest.fixture
def classroom(tmp_path: Path) -> Classroom:
    return open_classroom(tmp_path / "course")


def flat(text: str) -> str:
    """The text with its lines joined: where a line is broken is the terminal's business."""
    return re.sub(r"\s+", " ", text)


def assert_quiet(said: str) -> None:
    assert not [word for word in NOISE if word in said]


def test_untouched_stubs_end_soon_and_say_where_to_begin(classroom: Classroom) -> None:
    before = os.times()
    run = classroom.pytest("exercises/")
    after = os.times()
    computed = after.children_user + after.children_system - before.children_user - before.children_system
    assert computed < 20  # seconds of its own: the machine may be busy with something else
    assert run.returncode == 1
    assert f"0 of {POINTS:g} points" in run.stdout
    assert "next: forward_step — One step of noise" in run.stdout
    assert re.search(r"write +exercises/s1_forward_reverse.py:\d+\n", run.stdout)
    assert "read        exercises/lessons/s1_forward_reverse.md#forward_step" in run.stdout
    assert "unstatic hint forward_step" in run.stdout
    assert run.stdout.count("to do") == len(S1.exercises)
    assert "✗" not in run.stdout
    assert len(run.stdout.splitlines()) < 40
    assert_quiet(run.stdout + run.stderr)


def test_pytest_xdist_does_not_take_the_summary_away(classroom: Classroom) -> None:
    run = classroom.pytest("exercises/", "-k", "s1", "-n", "2")
    assert run.returncode == 1
    assert "next: forward_step — One step of noise" in run.stdout


def test_a_finished_section_has_all_points_and_its_reward(classroom: Classroom) -> None:
    classroom.hand_in()
    run = classroom.pytest("exercises/", "-k", "s1_forward_reverse")
    assert run.returncode == 0, run.stdout
    assert f"{POINTS:g} of {POINTS:g} points" in run.stdout
    assert "next: linear_schedule" in run.stdout
    assert re.search(r"✓ +end to end +\d\.\d% of the points are off the moons", run.stdout)
    assert (classroom.root / "pictures" / "s1_end_to_end.png").stat().st_size > 10_000
    assert_quiet(run.stdout + run.stderr)


def test_a_wrong_answer_is_explained_in_a_few_lines_and_the_same_twice(classroom: Classroom) -> None:
    classroom.hand_in(NO_ROOTS)
    run = classroom.pytest("exercises/checks/s1_forward_reverse", "-k", "forward_step or q_sample or simple_loss")
    said = flat(run.stdout)
    assert run.returncode == 1
    assert re.search(r"✗ q_sample — (all|\d) of its", said)
    for label in ("check", "called q_sample(", "came back", "expected", "because", "looks like no square roots"):
        assert label in said
    assert re.search(r"✓ +forward_step +1/1", run.stdout)
    assert re.search(r"✗ +q_sample +0/2", run.stdout)
    assert "◦ simple_loss 0/2 waits for q_sample" in said
    assert "✗ simple_loss" not in said
    assert "next: q_sample" in said
    assert len(run.stdout.splitlines()) < 35
    assert_quiet(run.stdout + run.stderr)
    assert (
        classroom.pytest(
            "-k", "forward_step or q_sample or simple_loss", folder="exercises/checks/s1_forward_reverse"
        ).stdout
        == run.stdout
    )


def test_an_exception_of_the_learner_s_own_shows_their_line_and_what_they_printed(classroom: Classroom) -> None:
    line = "return torch.cumprod(1 - betas, dim=0)"
    classroom.hand_in((line, "print('betas', len(betas)); return torch.cumprod(1 - betas, dim=1)"))
    run = classroom.pytest("exercises/", "-k", "compute_alpha_bar")
    said = flat(run.stdout)
    assert "raised IndexError: Dimension out of range" in said
    assert "at exercises/s1_forward_reverse.py:" in said
    assert "in compute_alpha_bar: print('betas', len(betas)); return torch.cumprod(1 - betas, dim=1)" in said
    assert "printed betas" in said
    assert "exercises/checks" not in said
    assert_quiet(run.stdout + run.stderr)


def test_a_module_that_cannot_be_imported_is_one_message(classroom: Classroom) -> None:
    classroom.hand_in((NO_ROOTS[0], "a.sqrt( * x0"))
    run = classroom.pytest("exercises/", "-k", "s1")
    assert run.returncode == 1
    assert re.search(r"exercises/s1_forward_reverse.py:\d+: +return a.sqrt\( \* x0", run.stdout)
    assert "next: mend exercises/s1_forward_reverse.py" in run.stdout
    assert len(run.stdout.splitlines()) < 30
    assert_quiet(run.stdout + run.stderr)


def test_what_passes_leads_on_to_what_is_next(classroom: Classroom) -> None:
    classroom.hand_in(("x_t = q_sample(x0, t, noise, alpha_bar)\n", "raise NotImplementedError\n"))
    run = classroom.pytest("exercises/checks/s1_forward_reverse", "-k", "test_q_sample")
    assert run.returncode == 0
    assert "2 of 2 points asked for" in run.stdout
    assert "next: simple_loss" in run.stdout


def test_some_of_the_checks_of_an_exercise_give_no_points(classroom: Classroom) -> None:
    classroom.hand_in(("return (x_t - (1 - a).sqrt() * eps) / a.sqrt()", "raise NotImplementedError"))
    one = next(check.name for check in collect("s1_forward_reverse") if check.exercise == "q_sample")
    run = classroom.pytest(f"exercises/checks/s1_forward_reverse/test_q_sample.py::{one}")
    assert "passes 1 of its" in run.stdout
    assert "0 of 2 points asked for" in run.stdout


def test_pdb_opens_in_the_learner_s_code_and_not_in_torch(classroom: Classroom) -> None:
    classroom.hand_in(
        ("return torch.cumprod(1 - betas, dim=0)", "mine = betas\n    return torch.einsum('ij->i', mine)")
    )
    run = classroom.pytest("exercises/", "-k", "compute_alpha_bar", "--pdb", stdin="p mine.shape\nq\n")
    assert "(Pdb) torch.Size([" in run.stdout


def test_without_solutions_a_wrong_answer_is_told_all_the_same(classroom: Classroom) -> None:
    classroom.hand_in(NO_ROOTS)
    (classroom.root / "solutions").rename(classroom.root / "elsewhere")
    run = classroom.pytest("exercises/", "-k", "q_sample")
    assert "came back" in run.stdout
    assert "looks like" not in run.stdout
    assert_quiet(run.stdout + run.stderr)


def test_a_name_that_is_exactly_an_exercise_s_picks_this_one_alone(classroom: Classroom) -> None:
    classroom.hand_in()
    run = classroom.pytest("exercises/", "-k", "sample")
    assert run.returncode == 0
    assert re.findall(r"[✓✗·◦] +(\w+)  +\d/\d", run.stdout) == ["sample"]
    assert "3 of 3 points asked for" in run.stdout
    assert "next: linear_schedule" in run.stdout


@pytest.mark.parametrize(
    ("file", "folder", "keyword"),
    [
        ("exercises/s1_forward_reverse.py", ".", "s1"),
        ("exercises/s1_forward_reverse.py::q_sample", ".", "q_sample"),
        ("s1_forward_reverse.py::TinyDenoiser::forward", "exercises", "TinyDenoiser"),
    ],
)
def test_a_section_s_file_stands_for_its_checks(classroom: Classroom, file: str, folder: str, keyword: str) -> None:
    classroom.hand_in((JUMP, "return x0 + noise"))
    by_file, by_name = classroom.pytest(file, folder=folder), classroom.pytest("exercises", "-k", keyword)
    assert by_file.stdout == by_name.stdout
    assert by_file.returncode == by_name.returncode
    assert_quiet(by_file.stdout + by_file.stderr)
    assert f" {keyword if keyword != 's1' else 'q_sample'} " in by_file.stdout


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["exercises/s1_forward_reverse.py::q_smaple"], "no exercise 'q_smaple'; did you mean q_sample"),
        (["exercises/s1_forward_reverse.py::ddim_sample"], "it is one of s4_fast_sampling"),
        (["exercises", "-k", "q_smaple"], "No check matches 'q_smaple'; did you mean q_sample"),
        (["exercises/lessons"], "There is no check in what was asked for."),
    ],
)
def test_what_no_check_is_for_is_told_in_two_lines(classroom: Classroom, asked: list[str], says: str) -> None:
    run = classroom.pytest(*asked)
    assert run.returncode in (4, 5)
    assert says in run.stdout + run.stderr
    assert (run.stdout + run.stderr).strip().count("\n") <= 1
    assert_quiet(run.stdout + run.stderr)


def test_an_answer_that_runs_on_is_interrupted_where_nothing_can_be_kept(classroom: Classroom, monkeypatch) -> None:
    monkeypatch.setenv("UNSTATIC_SECONDS", "2")
    for kept in (".pytest_cache", ".unstatic", ".hypothesis"):
        (classroom.root / kept).write_text("in the way of the folder", encoding="utf-8")
    classroom.hand_in((NO_ROOTS[0], "[0 for i in iter(int, 1)]"))
    run = classroom.pytest("exercises/", "-k", "q_sample")
    assert run.returncode == 1
    assert "✗ q_sample — runs on without an end" in run.stdout
    assert "running     exercises/s1_forward_reverse.py:50, in q_sample" in run.stdout
    assert_quiet(run.stdout + run.stderr)
    assert run.stderr.count("\n") <= 1


REWARD = """
from pathlib import Path
import pytest

@pytest.mark.end_to_end
@pytest.mark.needs("q_sample")
def test_reward(code, record_property):
    root = Path(__file__).parents[2]
    with (root / "trained").open("a") as file:
        file.write("x")
    (root / "pictures").mkdir(exist_ok=True)
    (root / "pictures" / "reward.png").write_bytes(b"drawn")
    record_property("says", "seen in pictures/reward.png")
    assert {holds}, "it did not learn"
"""


@pytest.mark.parametrize("holds", [True, False])
def test_a_reward_trains_once_for_what_it_depends_on_and_says_the_same_again(classroom: Classroom, holds) -> None:
    reward = classroom.root / "exercises" / "end_to_end" / "test_s1_forward_reverse.py"
    reward.write_text(REWARD.format(holds=holds), encoding="utf-8")
    classroom.hand_in()
    trained = classroom.root / "trained"

    def run(*more: str) -> str:
        run = classroom.pytest("exercises/end_to_end/test_s1_forward_reverse.py", *more)
        assert run.returncode == (0 if holds else 1)
        assert ("seen in pictures/reward.png" if holds else "it did not learn") in run.stdout
        return run.stdout

    assert "nothing has changed" not in run()
    assert ("nothing has changed" in run()) == holds
    assert trained.read_text() == "x"
    if holds:
        (classroom.root / "pictures" / "reward.png").unlink()
        assert "nothing has changed" not in run()
        assert "nothing has changed" not in run("--fresh")
        assert trained.read_text() == "xxx"


LONG_REWARD = """
import time
import pytest

@pytest.mark.end_to_end
@pytest.mark.slow{patience}
def test_reward(code, record_property):
    until = time.process_time() + 4
    while time.process_time() < until:
        pass
    record_property("says", "it came to its end")
"""


@pytest.mark.parametrize(("patience", "ended"), [("", False), ("(patience=3)", True)])
def test_a_reward_that_is_asked_for_has_the_time_that_its_plan_has(
    classroom: Classroom, monkeypatch, patience: str, ended: bool
) -> None:
    monkeypatch.setenv("UNSTATIC_SECONDS", "0.2")
    reward = classroom.root / "exercises" / "end_to_end" / "test_s1_forward_reverse.py"
    reward.write_text(LONG_REWARD.format(patience=patience), encoding="utf-8")
    run = classroom.pytest("exercises/end_to_end/test_s1_forward_reverse.py", "-m", "slow")
    assert run.returncode == (0 if ended else 1)
    assert ("it came to its end" in run.stdout) == ended
    assert ("UNSTATIC_SECONDS=60` in the environment gives it longer" in flat(run.stdout)) == (not ended)


@pytest.mark.parametrize(
    ("said", "seconds"), [("", (1800, 300)), ("2", (1800, 30)), ("60", (5400, 900)), ("0", (0, 0))]
)
def test_more_time_for_checks_is_more_for_rewards_and_less_is_not_less_for_long_ones(monkeypatch, said, seconds):
    monkeypatch.setenv("UNSTATIC_SECONDS", said)
    marks = {"slow": pytest.mark.slow(patience=900).mark}
    long, short = SimpleNamespace(get_closest_marker=marks.get), SimpleNamespace(get_closest_marker={}.get)
    assert (training.seconds(long), training.seconds(short)) == seconds


def test_tidy_undoes_what_code_at_the_desk_switches() -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()
    with tidy():
        torch.set_grad_enabled(False)
        torch.set_default_dtype(torch.float64)
        torch.use_deterministic_algorithms(True)
        torch.manual_seed(5)
        np.random.seed(5)
    assert torch.is_grad_enabled()
    assert torch.get_default_dtype() == torch.float32
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]


def test_tidy_seeds_as_torch_does() -> None:
    with tidy(3):
        mine = torch.randn(4)
        torch.manual_seed(global_seed(3))
        assert torch.equal(torch.randn(4), mine)


def test_a_change_to_an_argument_is_a_mistake_and_the_call_is_told_as_it_was() -> None:
    code = UnderTest(SimpleNamespace(twice=lambda x: x.mul_(2)))
    with pytest.raises(Mismatch, match="x was changed in place"):
        code.twice(torch.tensor([1.0, 2.0]))
    assert str(LAST_CALL[-1]) == "twice(x=[1, 2] (float32))"
