"""The learner's commands, in copies of the course."""

import argparse
from pathlib import Path

import pytest

from grader.course import Exercise, Section, sections
from grader.desk import commands
from tests.classroom import Classroom, open_classroom

S1 = "s1_forward_reverse"


@pytest.fixture
def classroom(tmp_path: Path) -> Classroom:
    return open_classroom(tmp_path / "course")


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
        (("hint", "s1"), "'s1' is a section; name one of its exercises: forward_step"),
        (("check", "flying"), "`unstatic status` lists the exercises"),
    ],
)
def test_a_name_that_is_not_known_ends_with_advice(arguments, advice: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(*arguments)
    assert ended.value.code == 2
    assert advice in capsys.readouterr().err


def test_hints_come_one_after_the_other(monkeypatch, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(commands, "STATE", tmp_path / ".unstatic")
    hints = sections()[S1].exercises["q_sample"].hints

    def ask(*arguments: str) -> str:
        options = parse("hint", *arguments)
        assert options.run(options) == 0
        return capsys.readouterr().out

    assert ask("q_sample").startswith(f"hint 1 of 3: {hints[0]}")
    assert ask("q_sample").startswith(f"hint 2 of 3: {hints[1]}")
    assert ask("predict_x0").startswith("hint 1 of 3: ")
    assert ask("q_sample").startswith(f"hint 3 of 3: {hints[2]}")
    assert ask("q_sample").startswith("hint 3 of 3: ")
    assert all(hint in ask("simple_loss", "--all") for hint in sections()[S1].exercises["simple_loss"].hints)


def test_reset_puts_a_stub_back_and_keeps_the_learner_s_work(classroom: Classroom) -> None:
    stub = classroom.module.read_text(encoding="utf-8")
    classroom.hand_in()
    mine = classroom.module.read_text(encoding="utf-8")
    run = classroom.unstatic("reset", "q_sample")
    assert run.returncode == 0, run.stderr
    kept = classroom.root / ".unstatic" / "kept" / f"{S1}-1.py"
    assert kept.read_text(encoding="utf-8") == mine
    now = classroom.module.read_text(encoding="utf-8")
    assert now.count("raise NotImplementedError") == 1
    assert now.split("def q_sample")[0] == mine.split("def q_sample")[0]
    assert now.split("def predict_x0")[1] == mine.split("def predict_x0")[1]

    assert classroom.unstatic("reset", "s1").returncode == 0
    assert classroom.module.read_text(encoding="utf-8") == stub
    assert (classroom.root / ".unstatic" / "kept" / f"{S1}-2.py").read_text(encoding="utf-8") == now


def test_reset_of_one_exercise_in_a_broken_file_says_what_to_do(classroom: Classroom) -> None:
    classroom.module.write_text("def q_sample(:\n", encoding="utf-8")
    run = classroom.unstatic("reset", "q_sample")
    assert run.returncode == 1
    assert "`unstatic reset s1_forward_reverse` resets all of it" in run.stdout
    assert classroom.module.read_text(encoding="utf-8") == "def q_sample(:\n"


def test_a_solution_opens_once_the_exercise_passes(classroom: Classroom) -> None:
    closed = classroom.unstatic("solution", "q_sample")
    assert closed.returncode == 1
    assert "opens once your q_sample passes" in closed.stdout
    classroom.hand_in()
    opened = classroom.unstatic("solution", "q_sample")
    assert opened.returncode == 0
    assert opened.stdout.startswith("def q_sample(")
    assert "a.sqrt() * x0" in opened.stdout
    assert "###" not in opened.stdout


def test_watch_shows_the_exercise_at_hand(classroom: Classroom) -> None:
    classroom.hand_in(("a.sqrt() * x0 + (1 - a).sqrt() * noise", "x0 + noise"))
    run = classroom.unstatic("watch", "--once")
    assert run.returncode == 1
    assert run.stdout.startswith("✗ q_sample")
    assert "because" in run.stdout


def test_check_and_status_and_next_agree(classroom: Classroom) -> None:
    classroom.hand_in(("return torch.cumprod(1 - betas, dim=0)", "raise NotImplementedError"))
    check = classroom.unstatic("check", "q_posterior")
    assert check.returncode == 1
    assert "waits for compute_alpha_bar" in check.stdout
    status = classroom.unstatic("status")
    assert status.returncode == 0
    assert "next: compute_alpha_bar" in status.stdout
    assert classroom.unstatic("next").stdout.startswith("next: compute_alpha_bar — What survives")


def test_show_draws_what_is_there_and_says_what_is_left_out(classroom: Classroom) -> None:
    classroom.hand_in(("return mean + variance.sqrt() * noise", "raise NotImplementedError"))
    run = classroom.unstatic("show", "s1")
    assert run.returncode == 0, run.stderr
    assert "✓ the forward process on two moons" in run.stdout
    assert "· training, and the reverse chain: left out until reverse_step pass" in run.stdout
    assert (classroom.root / "pictures" / f"{S1}.png").stat().st_size > 10_000
