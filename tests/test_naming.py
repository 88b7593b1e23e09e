"""Wrong answers written from the contract alone get the right name: a few here, all of them in the slow test."""

import pytest

from grader.course import sections
from tests.naming import Answer, answers, failures, name_of, tally, write

SAMPLE = {
    ("s1_forward_reverse", "forward_step"): 1,
    ("s1_forward_reverse", "timestep_embedding"): 7,
    ("s1_forward_reverse", "q_sample"): 10,
}
"""Exercises whose answers `make test` names, and how many of them at least: about 10 s."""
NAMED, WRONG = 0.9, 0.01
"""Shares of the rejected answers of a section: named at least, and named wrongly at most, or one."""


@pytest.mark.parametrize(("stem", "exercise"), SAMPLE)
def test_wrong_answers_get_the_name_that_was_read_against_them(stem, exercise):
    found = [answer for answer in answers(stem) if answer.exercise == exercise and answer.name]
    assert len(found) >= SAMPLE[stem, exercise]
    for answer in found:
        assert name_of(answer) == (answer.name, False), str(answer)


@pytest.mark.slow
@pytest.mark.parametrize("stem", sections())
def test_nearly_all_wrong_answers_are_named_and_hardly_any_wrongly(stem):
    of = tally([(answer, *name_of(answer)) for answer in answers(stem)])
    assert of.rejected >= 30, f"{stem} has few wrong answers: add to tests/named/{stem}.toml"
    unread = "\n".join(f"{answer}: {name}" for answer, name in of.unread)
    assert not unread, f"read these names against their answers, and take them with --write:\n{unread}"
    assert of.rejected - len(of.unnamed) >= NAMED * of.rejected, "\n".join(map(str, of.unnamed))
    assert len(of.wrong) <= max(1, WRONG * of.rejected), "\n".join(map(str, of.wrong))


def test_a_name_does_not_hang_on_the_seed():
    answer = next(answer for answer in answers("s1_forward_reverse") if answer.exercise == "predict_x0" and answer.name)
    assert {name_of(answer, seed)[0] for seed in (2, 3)} == {answer.name}


def test_another_solver_s_digits_hide_no_listed_mistake():
    """By the midpoint, where the reference takes Heun's steps: right to the digits that a check looks at. Costs 3 s."""
    answer = next(
        one for one in answers("s3_score_sde") if one.name == "the divergence subtracted" and "h / 2" in one.code
    )
    assert name_of(answer) == (answer.name, False)


def test_an_answer_leaves_its_evidence_in_the_checks_that_it_fails():
    answer = next(answers("s1_forward_reverse"))
    assert all(evidence.notes for evidence in failures(answer).values())


def test_a_name_counts_once_it_was_read(tmp_path):
    file = tmp_path / "s1.toml"
    file.write_text("# a\n[[answer]]\nexercise = \"x\"\nmistake = \"m\"\ncode = '''\n[[0]]\n'''\n", encoding="utf-8")
    write(file, {1: 'a "name"'})
    assert 'mistake = "m"\nname = "a \\"name\\""\n' in file.read_text(encoding="utf-8")
    one = Answer(file, 1, "s1", "x", "m", "", "a name", False)
    counted = tally([(one, "a name", False), (one, "another", False), (one, None, False), (one, None, True)])
    assert [len(part) for part in (counted.right, counted.unread, counted.unnamed, counted.passed)] == [1, 1, 1, 1]
    assert counted.rejected == 3
