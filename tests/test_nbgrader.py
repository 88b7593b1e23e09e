"""nbgrader's own commands on a cohort of notebooks: what `unstatic grade` says, and no way round it.

One round of a course with section 1 is made for all tests: 40 seconds on two cores. Each further command costs 3 to 10.
"""

import csv
import html
import json
import logging
import os
import re
import sqlite3
import subprocess
import sys
import tarfile
import zipfile
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from grader import cli
from grader.course import sections
from grader.diagnosis.listed import load
from tests.formgrader import formgrader, seen
from tests.nbgrader_course import (
    ATTACKS,
    S1,
    STEM,
    answer,
    cell,
    code_cell,
    hand_in,
    nbgrader,
    released,
    source,
)

if find_spec("nbgrader") is None:  # to import it takes a second, of each process that collects
    pytest.skip("nbgrader is not installed: make install EXTRAS=instructor,dev,nbgrader", allow_module_level=True)

# -------------------------------------------------------------------------------------------------------- the round


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course in which a cohort handed in, was graded, and got its feedback and its grades."""
    to = tmp_path_factory.mktemp("nbgrader") / "course"
    assert cli.main(["release", str(to), "--nbgrader", "--sections", "s1"]) == 0
    nbgrader(to, "generate_assignment", STEM)
    hand_in(to, "complete", answer(to))
    hand_in(to, "untouched", released(to))
    hand_in(to, "one-mistake", answer(to, "forward_step", "q_sample", q_sample=("a.sqrt() * x0", "a * x0")))
    hand_in(to, "noisy", noisy(answer(to, "forward_step", "q_sample")))
    hand_in(to, "helpers", with_helpers(answer(to, "q_sample", "forward_step")))
    hand_in(to, "not-a-notebook", b"%PDF-1.4")
    for attack in ATTACKS:
        made = released(to)
        attack(made)
        hand_in(to, attack.__name__, made)
    hand_in(to, "=1+1,x", answer(to, "forward_step"))
    link = hand_in(to, "linked", b"") / f"{STEM}.ipynb"
    link.unlink()
    link.symlink_to(to / "source" / STEM / f"{STEM}.ipynb")
    (link.parent / "solution.txt").symlink_to(to / "source" / STEM / f"{STEM}.ipynb")
    (link.parent / "endless").symlink_to("/dev/zero")
    hand_in(to, "elsewhere", answer(to, "forward_step"))
    (to / "submitted" / "by-a-link").symlink_to(to / "submitted" / "elsewhere")
    said = nbgrader(to, "autograde", STEM)
    nbgrader(to, "generate_feedback", STEM)
    nbgrader(to, "export")
    (to / "said.txt").write_text(said, encoding="utf-8")
    return to


def noisy(made: dict) -> dict:
    """Prints, warnings and lines on stderr, as people leave them; with nbgrader alone, any of these costs all points."""
    for one in made["cells"]:
        if one["metadata"].get("nbgrader", {}).get("solution"):
            one["source"] = f"import sys\nprint('so far so good', file=sys.stderr)\n{one['source']}"
    made["cells"].append(code_cell("import warnings\nwarnings.warn('mind the gap')"))
    return made


def with_helpers(made: dict) -> dict:
    place = made["cells"].index(cell(made, "answer-q_sample"))
    text = "".join(cell(made, "answer-q_sample")["source"])
    cell(made, "answer-q_sample")["source"] = text.replace("(1 - a).sqrt()", "rest(a)")
    made["cells"].insert(place, code_cell("%matplotlib inline\n!pip list\ndef rest(a):\n    return (1 - a).sqrt()"))
    made["cells"].insert(
        place, {"cell_type": "markdown", "metadata": {}, "source": "<script>alert(1)</script> my thoughts"}
    )
    return made


def gradebook_scores(course: Path) -> dict[str, float]:
    with (course / "grades.csv").open(encoding="utf-8", newline="") as file:
        return {row["student_id"].removeprefix("'"): float(row["score"]) for row in csv.DictReader(file)}


def unstatic_scores(course: Path, tmp_path: Path, stem: str = STEM) -> dict[str, dict]:
    """What `unstatic grade` says of the same notebooks, from nothing that is kept."""
    found = (course / "submitted").glob(f"*/{stem}/{stem}.ipynb")
    paths = sorted(path for path in found if "by-a-link" not in path.parts)
    copies = [tmp_path / path.parts[-3] / path.name for path in paths]
    for path, to in zip(paths, copies, strict=True):
        to.parent.mkdir()
        to.symlink_to(path.readlink()) if path.is_symlink() else to.write_bytes(path.read_bytes())
    seed = (course / ".unstatic" / "seed").read_text().strip()
    names, out = [str(path.parent.relative_to(tmp_path)) for path in copies], tmp_path / "grades.json"
    command = [sys.executable, "-m", "grader", "grade", *names, "--seed", seed, "--only", stem, "--json", str(out)]
    environment = os.environ | {"PYTHONPATH": str(Path(cli.__file__).parent.parent)}
    subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=500, check=False)
    return {one["name"]: one for one in json.loads(out.read_text("utf-8"))["submissions"]}


def test_the_gradebook_is_what_unstatic_grade_says_to_the_point(course, tmp_path) -> None:
    """Costs 20 seconds: the cohort is graded once more."""
    expected = {name: one["score"] for name, one in unstatic_scores(course, tmp_path).items()}
    scores = gradebook_scores(course)
    assert scores.pop("by-a-link") == 0  # which no copy shows
    assert scores == expected
    assert (expected["complete"], expected["noisy"], expected["one-mistake"]) == (23, 3, 1)


def test_no_attack_gets_a_point(course) -> None:
    scores = gradebook_scores(course)
    assert {attack.__name__: scores[attack.__name__] for attack in ATTACKS} == {
        attack.__name__: 0 for attack in ATTACKS
    }
    assert scores["linked"] == scores["by-a-link"] == scores["not-a-notebook"] == scores["untouched"] == 0


def test_nothing_of_a_submission_ran_in_a_kernel(course) -> None:
    """A kernel leaves execution counts in what nbgrader keeps; and manual scores would be another's work."""
    for path in (course / "autograded").rglob("*.ipynb"):
        made = json.loads(path.read_text("utf-8"))
        assert all(one.get("execution_count") is None for one in made["cells"]), path
    with sqlite3.connect(course / "gradebook.db") as db:
        assert db.execute("select count(*) from grade where manual_score is not null").fetchone() == (0,)


def test_what_cannot_be_read_is_said_in_every_test_cell(course) -> None:
    for student, why in (
        ("not-a-notebook", "is not a notebook"),
        ("linked", "is a link, and links are never followed"),
    ):
        made = json.loads((course / "autograded" / student / STEM / f"{STEM}.ipynb").read_text("utf-8"))
        for name in S1.exercises:
            (output,) = cell(made, f"check-{name}")["outputs"]
            assert output["ename"] == "not-gradable"
            assert why in "\n".join(output["traceback"])


def test_a_link_brings_no_answer_and_no_file_of_ours_into_the_feedback(course) -> None:
    answers = ["torch.cumprod(1 - betas, dim=0)", "self.embedding_dim = 32"]
    for step in ("autograded", "feedback"):
        for path in (course / step / "linked").rglob("*"):
            assert path.is_dir() or path.name in (f"{STEM}.ipynb", f"{STEM}.html", "timestamp.txt"), path
            assert path.is_dir() or not any(line in path.read_text("utf-8") for line in answers), path


def test_the_release_has_no_answer_and_each_test_cell_its_points(course) -> None:
    text = json.dumps(released(course))
    assert "torch.cumprod(1 - betas" not in text
    assert text.count("raise NotImplementedError") >= len(S1.exercises)
    assert cell(released(course), "check-q_sample")["metadata"]["nbgrader"]["points"] == 2


def test_the_feedback_has_the_message_of_unstatic_grade(course) -> None:
    (message,) = {row["message"] for row in rows_of(course, "q_sample") if row["verdict"] == "fail"}
    page = (course / "feedback" / "one-mistake" / STEM / f"{STEM}.html").read_text("utf-8")
    shown = html.unescape(page)
    assert all(line.strip() in shown for line in message.splitlines())
    assert "looks like" in message
    assert "Test cell" in page


def rows_of(course: Path, exercise: str) -> list[dict]:
    """What is kept of an exercise, whoever's."""
    lines = (course / ".unstatic" / "results.jsonl").read_text("utf-8").splitlines()
    return [row for line in lines for row in json.loads(line)["rows"] if row["exercise"] == exercise]


def test_no_markup_of_a_learners_reaches_the_feedback(course) -> None:
    page = (course / "feedback" / "helpers" / STEM / f"{STEM}.html").read_text("utf-8")
    assert "my thoughts" in page
    assert "<script>alert(1)" not in page
    assert gradebook_scores(course)["helpers"] == 3


def test_no_cell_of_the_export_is_a_formula_or_breaks_its_line(course) -> None:
    with (course / "grades.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert {len(row) for row in rows} == {11}
    assert not [text for row in rows for text in row if text.startswith(("=", "+", "@", "\t"))]
    assert any("'=1+1,x" in row for row in rows)


def test_a_cohort_is_judged_at_once_and_handed_out(course) -> None:
    said = (course / "said.txt").read_text("utf-8")
    judged = said.index("Judged 1/"), said.rindex("Judged ")
    assert said.count("Autograding ") == len(list((course / "submitted").iterdir()))
    assert said[judged[0] : judged[1]].count("Autograding ") == 0


def test_handing_in_again_later_is_graded_anew_and_late_by_nbgraders_own_rules(course) -> None:
    """Costs 15 seconds."""
    hand_in(course, "untouched", answer(course, "forward_step"), received="2026-02-02 00:00:00 UTC")
    said = nbgrader(course, "autograde", STEM, "--student", "untouched")
    assert "Updating existing assignment" in said
    nbgrader(course, "export", "--to", "again.csv", "--student", "['untouched']")
    with (course / "again.csv").open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["score"], row["timestamp"]) == ("1.0", "2026-02-02 00:00:00")
    hand_in(course, "untouched", released(course), received="2026-03-03 00:00:00 UTC")
    nbgrader(course, "autograde", STEM, "--student", "untouched")


def test_force_gives_the_same_and_a_manual_score_stays(course) -> None:
    """As nbgrader's users expect. Costs 10 seconds."""
    with sqlite3.connect(course / "gradebook.db") as db:
        db.execute(
            "update grade set manual_score = 1.5 where id = (select grade.id from grade join submitted_notebook n on "
            "grade.notebook_id = n.id join submitted_assignment a on n.assignment_id = a.id join base_cell c on "
            "grade.cell_id = c.id where a.student_id = 'one-mistake' and c.name = 'check-q_sample')"
        )
    nbgrader(course, "autograde", STEM, "--student", "one-mistake", "--force")
    nbgrader(course, "export", "--to", "forced.csv", "--student", "['one-mistake']")
    with (course / "forced.csv").open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert float(row["score"]) == 2.5
    with sqlite3.connect(course / "gradebook.db") as db:
        db.execute("update grade set manual_score = null")


def test_what_a_killed_autograde_left_is_no_zero_and_is_graded_by_the_next_one(course) -> None:
    """A folder without points is there then, which nbgrader alone would skip ever after. Costs 15 seconds."""
    before = gradebook_scores(course)["complete"]
    left = course / "autograded" / "complete" / STEM / f"{STEM}.ipynb"
    made = json.loads(left.read_text("utf-8"))
    for one in made["cells"]:
        if one["cell_type"] == "code":
            one["outputs"] = []
    left.chmod(0o600)
    left.write_text(json.dumps(made), "utf-8")
    with sqlite3.connect(course / "gradebook.db") as db:
        db.execute(
            "update grade set auto_score = null where notebook_id in (select n.id from submitted_notebook n join "
            "submitted_assignment a on n.assignment_id = a.id where a.student_id = 'complete')"
        )
    said = nbgrader(course, "export", "--to", "killed.csv", "--student", "['complete']")
    assert (
        f"complete, {STEM}: handed in and not graded; the cells are empty. Run `nbgrader autograde {STEM}` again"
        in said
    )
    with (course / "killed.csv").open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["raw_score"], row["late_submission_penalty"], row["score"], row["max_score"]) == ("", "", "", "23.0")
    said = nbgrader(course, "autograde", STEM)
    assert said.count("Removing what was begun and not finished") == said.count("Sanitizing") == 1
    nbgrader(course, "export")
    assert gradebook_scores(course)["complete"] == before == 23


def test_what_another_autograde_is_at_is_left_alone(tmp_path) -> None:
    import fcntl

    from grader.nbgrader import unfinished

    class Directory:
        root, submitted_directory, autograded_directory = str(tmp_path), "submitted", "autograded"

        def format_path(self, step: str, student: str, assignment: str, escape: bool = False) -> str:
            return f"{re.escape(self.root) if escape else self.root}/{step}/{student}/{assignment}"

    folder = tmp_path / "autograded" / "ada" / STEM
    folder.mkdir(parents=True)
    (folder / f"{STEM}.ipynb").write_text('{"cells": [', encoding="utf-8")
    converter = SimpleNamespace(
        coursedir=Directory(), assignments={f"{tmp_path}/submitted/ada/{STEM}": []}, log=logging.getLogger("test")
    )
    with unfinished.remove(SimpleNamespace(**vars(converter) | {"assignments": {}})) as held:
        unfinished.remove(converter).close()
        assert folder.exists()
        fcntl.flock(held, fcntl.LOCK_UN)
    unfinished.remove(converter).close()
    assert not folder.exists()


def test_archives_are_collected_by_nbgrader_and_their_links_lead_nowhere(course) -> None:
    """zip_collect unpacks whatever it is given, links too. Costs 15 seconds."""
    downloaded = course / "downloaded" / STEM / "archive"
    downloaded.mkdir(parents=True)
    with zipfile.ZipFile(downloaded / "all.zip", "w") as archive:
        archive.writestr(f"zia_{STEM}.ipynb", json.dumps(answer(course, "forward_step", "q_sample")))
    with tarfile.open(downloaded / "more.tar.gz", "w:gz") as archive:
        link = tarfile.TarInfo(f"tom_{STEM}.ipynb")
        link.type, link.linkname = tarfile.SYMTYPE, str(course / "source" / STEM / f"{STEM}.ipynb")
        archive.addfile(link)
    pattern = r".*/(?P<student_id>\w+)_(?P<file_id>" + STEM + r")\.ipynb$"
    try:
        nbgrader(course, "zip_collect", STEM, "--force", f"--FileNameCollectorPlugin.named_regexp={pattern}")
    except AssertionError as error:  # Python 3.14 and later refuse such an archive by themselves
        assert "outside" in str(error) or "absolute" in str(error)  # noqa: PT017
        (downloaded / "more.tar.gz").unlink()
        nbgrader(course, "zip_collect", STEM, "--force", f"--FileNameCollectorPlugin.named_regexp={pattern}")
    nbgrader(course, "autograde", STEM)
    nbgrader(course, "export", "--to", "collected.csv")
    with (course / "collected.csv").open(encoding="utf-8") as file:
        scores = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert scores["zia"] == 3
    assert scores.get("tom", 0) in (0, 23)


def test_a_notebook_under_another_name_is_nbgraders_own_error(course) -> None:
    """Costs 5 seconds."""
    folder = hand_in(course, "misnamed", released(course))
    (folder / f"{STEM}.ipynb").rename(folder / "homework.ipynb")
    said = nbgrader(course, "autograde", STEM, "--student", "misnamed", expect=1)
    assert "Skipping unknown notebook" in said


def test_releasing_again_keeps_the_gradebook_and_an_instructors_notebook(course) -> None:
    path = course / "source" / STEM / f"{STEM}.ipynb"
    before, book = path.read_text("utf-8"), (course / "gradebook.db").read_bytes()
    path.write_text(before.replace("Destroy, then rebuild", "Our own title"), encoding="utf-8")
    assert cli.main(["release", str(course), "--nbgrader", "--sections", "s1"]) == 0
    assert "Our own title" in path.read_text("utf-8")
    assert (course / "gradebook.db").read_bytes() == book
    path.write_text(before, encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("stem", sections())
def test_ten_learners_get_the_same_from_both_in_every_section(stem, tmp_path) -> None:
    """All right, all open, and eight with a known mistake each. Costs a minute or two a section."""
    of, course = sections()[stem], tmp_path / "course"
    assert cli.main(["release", str(course), "--nbgrader", "--sections", stem]) == 0
    nbgrader(course, "generate_assignment", stem)
    hand_in(course, "complete", answer(course, of=of), stem=stem)
    hand_in(course, "untouched", released(course, stem), stem=stem)
    texts = {name: "".join(cell(source(course, stem), f"answer-{name}")["source"]) for name in of.exercises}
    mistakes = {known.exercise: known for known in load(stem) if texts[known.exercise].count(known.find) == 1}
    for known in list(mistakes.values())[:8]:
        used = of.exercises[known.exercise].needs
        edit = {known.exercise: (known.find, known.replace)}
        hand_in(course, known.exercise, answer(course, *used, known.exercise, of=of, **edit), stem=stem)
    nbgrader(course, "autograde", stem)
    nbgrader(course, "generate_feedback", stem)
    nbgrader(course, "export")
    (tmp_path / "again").mkdir()
    expected = unstatic_scores(course, tmp_path / "again", stem)
    scores = gradebook_scores(course)
    assert len(scores) == 10
    assert scores == {name: one["score"] for name, one in expected.items()}
    assert scores["complete"] == sum(exercise.points for exercise in of.exercises.values())
    assert scores["untouched"] == 0
    for name in mistakes.keys() & scores.keys():
        (row,) = [row for row in expected[name]["exercises"] if row["exercise"] == name]
        page = html.unescape((course / "feedback" / name / stem / f"{stem}.html").read_text("utf-8"))
        assert row["verdict"] != "pass"
        lacking = [line for line in row["message"].splitlines() if line.strip() not in page]
        assert not lacking, f"{lacking} is not in {page[page.find('✗ ' + name) :][:2000]}"


# ------------------------------------------------------------------------------------------------------- formgrader


def test_the_formgrader_shows_points_and_feedback_in_a_browser(course, tmp_path) -> None:
    """Costs 20 seconds."""
    with sqlite3.connect(course / "gradebook.db") as db:
        (identity,) = db.execute(
            "select n.id from submitted_notebook n join submitted_assignment a on n.assignment_id = a.id "
            "where a.student_id = 'one-mistake'"
        ).fetchone()
    with formgrader(course) as address:
        grades = seen(f"{address}/formgrader/gradebook/{STEM}/{STEM}", tmp_path / "one")
        page = seen(f"{address}/formgrader/submissions/{identity}/", tmp_path / "two")
    assert re.search(r">\s*1 / 23\s*<", grades), grades[-3000:]
    (message,) = {row["message"] for row in rows_of(course, "q_sample") if row["verdict"] == "fail"}
    shown = html.unescape(page)
    assert all(line.strip() in shown for line in message.splitlines())
