"""What is wrong with a file of a class download costs whose file it is, and nobody else. All of it takes some seconds."""

import pytest

from grader.intake import classes
from grader.intake.reading import read_all
from tests.test_classes import PY, YAML, code, hand_out, whose


@pytest.mark.parametrize("as_archive", [True, False], ids=["archive", "folder"])
def test_a_large_file_of_names_is_read(tmp_path, as_archive):
    """Gradescope's has what each run of its grader printed: learners make it as large as they like."""
    printed = "  :output: >-\n" + f"    {'x' * 1000}\n" * 9000
    files = {f"submission_{number}/{PY}": code(f"s{number}") for number in (1001, 1002)}
    found = read_all([hand_out(tmp_path, {classes.METADATA: YAML + printed, **files}, as_archive)])
    assert whose(found) == {"Ada Lovelace": "s1001", "Emmy Noether and Sofja Kowalewskaja": "s1002"}


@pytest.mark.parametrize("as_archive", [True, False], ids=["archive", "folder"])
def test_a_class_whose_file_of_names_cannot_be_read_goes_by_numbers_and_says_so(tmp_path, monkeypatch, as_archive):
    monkeypatch.setattr(classes, "METADATA_BYTES", len(YAML) - 1)
    files = {f"submission_{number}/{PY}": code(f"s{number}") for number in (1001, 1002)}
    found = read_all([hand_out(tmp_path, {classes.METADATA: YAML, **files}, as_archive)])
    assert whose(found) == {"submission_1001": "s1001", "submission_1002": "s1002"}
    for one in found:
        assert one.notes[0].startswith(f"Gradescope's names are not known: {classes.METADATA} is too large")


def test_a_file_beside_makes_no_attempts_of_one_learner_of_gradescope_s_students(tmp_path):
    files = {f"submission_{number}/{PY}": code(f"s{number}") for number in (1001, 1002)}
    found = read_all([hand_out(tmp_path, {classes.METADATA: YAML, "grades.numbers": b"PK", **files}, False)])
    assert whose(found) == {"Ada Lovelace": "s1001", "Emmy Noether and Sofja Kowalewskaja": "s1002"}
