"""A class download becomes one submission a student, whatever platform made it. All of it takes some seconds."""

import hashlib
import json
import re
import warnings
import zipfile
from pathlib import Path

import pytest

from grader.intake.reading import read, read_all
from grader.intake.submission import Submission
from grader.syllabus.roster import Learner, Roster

STEM = "s1_forward_reverse"
PY, NB = f"{STEM}.py", f"{STEM}.ipynb"
MOODLE = "{}_{}_assignsubmission_file_"


def code(who: str) -> str:
    return f"# {who}\ndef q_sample(x0, t, noise, alpha_bar):\n    return x0\n"


def notebook(who: str) -> str:
    return json.dumps({"nbformat": 4, "metadata": {}, "cells": [{"cell_type": "code", "source": code(who)}]})


def hand_out(folder: Path, files: dict[str, str | bytes], zipped: bool) -> Path:
    """A class download with these files, as a folder or as an archive."""
    if zipped:
        with zipfile.ZipFile(folder / "class.zip", "w") as archive, warnings.catch_warnings(action="ignore"):
            for name, data in files.items():
                archive.writestr(name, data)
        return folder / "class.zip"
    for name, data in files.items():
        path = folder / "class" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return folder / "class"


def whose(found: list[Submission]) -> dict[str, str]:
    """By the submission's name, whose the text is that was read: the comment above its definition."""
    texts = {one.name: [source.text for source in one.sections.values()] for one in found}
    return {name: "/".join(re.findall(r"^# (\w+)$", "\n".join(text), re.MULTILINE)) for name, text in texts.items()}


def zipped(files: dict[str, str | bytes], folder: Path) -> bytes:
    path = folder / "inner.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path.read_bytes()


YAML = """---
submission_1001:
  :submitters:
  - :name: Ada Lovelace
    :sid: '1815'
    :email: ada@example.org
  :created_at: 2026-03-01 10:00:00.000000000 Z
  :score: 3.0
  :history:
  - :id: 1000
    :submitters:
    - :name: Somebody Else
submission_1002:
  :submitters:
  - :name: Emmy Noether
    :sid: '1882'
  - :name: Sofja Kowalewskaja
  :created_at: 2026-03-01 10:00:00.000000000 Z
"""

DOWNLOADS = {
    "Google Forms": (
        {
            f"Homework 1 (File responses)/{STEM} - Ada Lovelace.py": code("ada"),
            f"Homework 1 (File responses)/{STEM} (1) - Jean-Pierre O'Neil Jr..py": code("jean"),
            f"Homework 1 (File responses)/Copy of {STEM}.ipynb - Colab - Emmy Noether.ipynb": notebook("emmy"),
            "Homework 1 (File responses)/my answers - Zoë M. Müller.py": code("zoe"),
            "Homework 1 (File responses)/screenshot - Zoë M. Müller.png": b"png",
        },
        {"Ada Lovelace": "ada", "Jean-Pierre O'Neil Jr.": "jean", "Emmy Noether": "emmy", "Zoë M. Müller": "zoe"},
    ),
    "Moodle, folders": (
        {f"{MOODLE.format('Ada Lovelace', 12345)}/{PY}": code("ada"), f"{MOODLE.format('Emmy Noether', 12346)}/{NB}": notebook("emmy")},
        {"Ada Lovelace": "ada", "Emmy Noether": "emmy"},
    ),
    "Moodle, flat": (
        {f"{MOODLE.format('Ada Lovelace', 12345)}{PY}": code("ada"), f"{MOODLE.format('Emmy Noether', 12346)}my answers.py": code("emmy")},
        {"Ada Lovelace": "ada", "Emmy Noether": "emmy"},
    ),
    "Moodle, a text beside": (
        {f"{MOODLE.format('Ada', 1)}/{PY}": code("ada"), "Ada_1_assignsubmission_onlinetext_/onlinetext.html": "<p>", f"{MOODLE.format('Bob', 2)}/{PY}": code("bob")},
        {"Ada": "ada", "Bob": "bob"},
    ),
    "Moodle, two of one name": (
        {f"{MOODLE.format('Kim Lee', 7)}/{PY}": code("one"), f"{MOODLE.format('Kim Lee', 8)}/{PY}": code("two")},
        {"Kim Lee (7)": "one", "Kim Lee (8)": "two"},
    ),
    "Canvas": (
        {f"lovelaceada_123_4567_{PY}": code("ada"), f"noetheremmy_LATE_124_4568_{STEM}-1.py": code("emmy"), f"o'neil-bo_9_1_{NB}": notebook("bo")},
        {"lovelaceada": "ada", "noetheremmy": "emmy", "o'neil-bo": "bo"},
    ),
    "Canvas, again": (
        {f"ada_1_20_{STEM}.py": code("old"), f"ada_1_31_{STEM}-1.py": code("new"), f"bob_2_40_{PY}": code("bob")},
        {"ada": "new", "bob": "bob"},
    ),
    "Canvas, two files": (
        {f"ada_1_20_{STEM}.py": code("one"), "ada_1_21_s2_ddpm.py": "# two\ndef snr(alpha_bar): ...\n", f"bob_2_40_{PY}": code("bob")},
        {"ada": "one/two", "bob": "bob"},
    ),
    "Gradescope": (
        {"assignment_9_export/submission_metadata.yml": YAML, f"assignment_9_export/submission_1001/{PY}": code("ada"), f"assignment_9_export/submission_1002/{PY}": code("emmy")},
        {"Ada Lovelace": "ada", "Emmy Noether and Sofja Kowalewskaja": "emmy"},
    ),
    "Gradescope without names": (
        {f"submission_1001/{PY}": code("ada"), f"submission_1002/{PY}": code("emmy")},
        {"submission_1001": "ada", "submission_1002": "emmy"},
    ),
    "nbgrader's collector": (
        {f"ps1_ada_attempt_2026-03-01-10-00-00_{PY}": code("old"), f"ps1_ada_attempt_2026-03-02-09-00-00_{PY}": code("new"),
         f"ps1_bob_attempt_2026-03-01-10-00-00_{NB}": notebook("bob"), "ps1_bob_attempt_2026-03-01-10-00-00.txt": "Name: Bob"},
        {"ada": "new", "bob": "bob"},
    ),
    "the student first": (
        {f"ada_ps1_attempt_2026-03-01-10-00-00_{PY}": code("ada"), f"bob_ps1_attempt_2026-03-01-10-00-00_{PY}": code("bob")},
        {"ada": "ada", "bob": "bob"},
    ),
    "nbgrader's course": (
        {f"course/submitted/ada/ps1/{NB}": notebook("ada"), "course/submitted/ada/ps1/timestamp.txt": "2026-01-01 00:00:00 UTC",
         f"course/submitted/bob/ps1/{NB}": notebook("bob"), f"course/release/ps1/{NB}": notebook("nobody")},
        {"ada": "ada", "bob": "bob"},
    ),
    "Brightspace": (
        {f"11-22 - Ada Lovelace - Mar 1, 2026 600 PM/{PY}": code("old"), f"11-23 - Ada Lovelace - Mar 2, 2026 1159 AM/{PY}": code("new"),
         f"12-22 - Emmy Noether - Mar 1, 2026 600 PM/{PY}": code("emmy"), "index.html": ""},
        {"Ada Lovelace": "new", "Emmy Noether": "emmy"},
    ),
    "Brightspace, two of one name": (
        {f"11-22 - Kim Lee - Mar 2, 2026 600 PM/{PY}": code("one"), f"12-22 - Kim Lee - Mar 1, 2026 600 PM/{PY}": code("old"),
         f"12-22 - Kim Lee - Mar 1, 2026 601 PM/{PY}": code("two"), f"13-22 - Emmy Noether - Mar 1, 2026 600 PM/{PY}": code("emmy")},
        {"Kim Lee (11)": "one", "Kim Lee (12)": "two", "Emmy Noether": "emmy"},
    ),
    "a folder a student": ({f"ada/{PY}": code("ada"), f"bob/work/{NB}": notebook("bob"), "roster.csv": ""}, {"ada": "ada", "bob": "bob"}),
    "a folder a student, other names": ({"ada/homework.py": code("ada"), "bob/homework.py": code("bob")}, {"ada": "ada", "bob": "bob"}),
    "a prefix a student": ({f"ada_{PY}": code("ada"), f"bob-{NB}": notebook("bob")}, {"ada": "ada", "bob": "bob"}),
    "a folder with attempts": (
        {f"ada/attempt_2/{PY}": code("old"), f"ada/attempt_10/{PY}": code("new"), f"bob/{PY}": code("bob")},
        {"ada": "new", "bob": "bob"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("as_archive", [True, False], ids=["archive", "folder"])
@pytest.mark.parametrize(("files", "expected"), DOWNLOADS.values(), ids=DOWNLOADS)
def test_a_class_download_is_one_submission_a_student(tmp_path, files, expected, as_archive):
    found = read_all([hand_out(tmp_path, files, as_archive)])
    assert whose(found) == expected
    assert not any(one.problems for one in found)
    for source in (source for one in found for source in one.sections.values()):
        read_from = source.path and hashlib.sha256(source.path.read_bytes()).hexdigest()
        assert read_from == (None if as_archive else source.digest)


def test_attempts_that_do_not_count_and_late_marks_are_noted(tmp_path):
    found = {one.name: one.notes for one in read_all([hand_out(tmp_path, DOWNLOADS["Canvas"][0], True)])}
    assert f"Canvas marks it as late: {STEM}-1.py" in found["noetheremmy"]
    (tmp_path / "again").mkdir()
    found = {
        one.name: one.notes for one in read_all([hand_out(tmp_path / "again", DOWNLOADS["Canvas, again"][0], True)])
    }
    assert f"not used: ada_1_20_{STEM}.py, as there is a later attempt" in found["ada"]


def test_archives_within_a_class_archive_are_read(tmp_path):
    inner = zipped({f"work/{PY}": code("ada")}, tmp_path)
    files = {f"{MOODLE.format('Ada', 1)}/mine.zip": inner, f"{MOODLE.format('Bob', 2)}/{PY}": code("bob")}
    assert whose(read_all([hand_out(tmp_path, files, True)])) == {"Ada": "ada", "Bob": "bob"}
    (tmp_path / "more").mkdir()
    files = {"ada.zip": inner, "bob.zip": zipped({PY: code("bob")}, tmp_path)}
    assert whose(read_all([hand_out(tmp_path / "more", files, True)])) == {"ada": "ada", "bob": "bob"}


def test_archives_within_archives_end_somewhere_and_may_not_be_bombs(tmp_path):
    data = zipped({PY: code("deep")}, tmp_path)
    for _ in range(4):
        data = zipped({"again.zip": data}, tmp_path)
    (tmp_path / "deep.zip").write_bytes(data)
    assert "holds no section" in read(tmp_path / "deep.zip").problems[None]
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.zip", b"\0" * (60 * 2**20))
    assert "too large" in read(tmp_path / "bomb.zip").problems[None]


def test_who_imitates_a_class_download_beside_others_hands_in_for_nobody(tmp_path):
    hostile = hand_out(
        tmp_path, {f"{MOODLE.format('Ada', 1)}/{PY}": code("eve"), f"{MOODLE.format('Bob', 2)}/{PY}": code("eve")}, True
    )
    other = tmp_path / "emmy.py"
    other.write_text(code("emmy"))
    found = read_all([other, hostile])
    assert [one.name for one in found] == ["emmy", "class"]
    assert "a class download is graded by itself" in found[1].problems[None]
    assert found[1].sections == {}


def test_one_learner_s_folders_with_sections_of_their_own_are_one_submission(tmp_path):
    files = {f"first/{PY}": code("one"), "second/s2_ddpm.py": "# two\ndef snr(alpha_bar): ...\n", "notes/readme.md": ""}
    found = read_all([hand_out(tmp_path, files, False)])
    assert whose(found) == {"class": "one/two"}


def test_a_learner_s_own_copies_are_no_class(tmp_path):
    for names in (
        [f"{STEM} - Copy.py", f"{STEM} - Copy (2).py"],
        [f"{STEM} - mine.py", "s2_ddpm - mine.py"],
        [PY, f"{STEM} - Kopie.py"],
    ):
        folder = tmp_path / names[0]
        found = read_all([hand_out_all(folder, names)])
        assert [one.name for one in found] == ["class"]


def hand_out_all(folder: Path, names: list[str]) -> Path:
    folder.mkdir()
    return hand_out(folder, {name: code("one") for name in names}, False)


def test_what_is_given_twice_is_handed_in_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("ada", "bob"):
        Path("class", name).mkdir(parents=True)
        Path("class", name, f"{STEM}.py").write_text(code(name))
    given = [Path("class/ada"), Path("class/bob"), tmp_path / "class" / "ada", Path("class/bob/../ada")]
    assert [one.name for one in read_all(given)] == ["ada", "bob"]


def test_what_is_of_one_name_is_told_apart_by_as_many_folders_as_it_takes(tmp_path):
    paths = [tmp_path / who / "work" / PY for who in ("ada", "emmy")]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.write_text(code("x"))
    assert [one.name for one in read_all(paths)] == [f"{who}/work/{PY}" for who in ("ada", "emmy")]


@pytest.mark.parametrize(
    "name",
    ["s1-forward-reverse.py", "S1 Forward Reverse.py", f"{STEM} (1).py", f"{STEM}.py.txt", "s1.forward.reverse.py", f"my-{STEM}.PY.TXT"],
)  # fmt: skip
def test_a_renamed_file_is_read_where_only_one_reading_is_possible(tmp_path, name):
    files = {name: code("ada"), "s2-ddpm.py": "def snr(alpha_bar): ...\n", "report.pdf": b"%PDF"}
    found = read(hand_out(tmp_path, files, False))
    assert list(found.sections) == [STEM, "s2_ddpm"]
    assert f"{name} was read as {STEM}" in found.notes
    assert "not used: report.pdf" in found.notes


def test_a_notebook_that_a_browser_named_anew_is_read(tmp_path):
    for name in (f"{NB}.json", f"{NB}.txt", f"{STEM} (2).ipynb"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_text(notebook("ada"))
        assert read(folder).sections[STEM].kind == "notebook"
        assert read(folder / name).name == name[: name.index(".ipynb")]


def test_files_of_any_name_are_read_by_what_they_define_if_that_is_plain(tmp_path):
    found = read(hand_out(tmp_path, {"first.py": code("one"), "second.py": "def snr(alpha_bar): ...\n"}, False))
    assert list(found.sections) == [STEM, "s2_ddpm"]
    (tmp_path / "more").mkdir()
    found = read(hand_out(tmp_path / "more", {"mine.py": code("one"), "mine_too.py": code("two")}, False))
    assert found.problems == {STEM: f"mine.py, mine_too.py each define exercises of {STEM}; keep one, called {PY}"}


def test_where_nothing_can_be_read_it_is_said_what_was_found_and_what_to_do(tmp_path):
    path = hand_out(tmp_path, {"answers.docx": b"PK", "draft.txt": "hello"}, False)
    said = read(path).problems[None]
    assert (
        said
        == "class holds no section of the course (there are answers.docx, draft.txt); answers.docx is a document of a word processor: "
        f"hand in the module (.py) or the notebook (.ipynb) itself; name each file for its section, as in {PY}"
    )


def test_an_archive_of_dos_is_read_with_its_backslashes_and_its_code_page(tmp_path):
    path = tmp_path / "ada.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("Übung\\", f"Übung\\{PY}", "Übung\\résumé.txt"):
            info = zipfile.ZipInfo(name)
            info.create_system = 0
            info.filename = name
            archive.writestr(info, code("ada") if name.endswith(".py") else "")
    data = path.read_bytes()
    raw = data.replace("Übung".encode(), "Übung".encode("cp437") + b"_").replace(
        "résumé".encode(), "résumé".encode("cp437") + b"__"
    )
    raw = _without_utf8_flag(raw)
    path.write_bytes(raw)
    found = read(path)
    assert found.sections[STEM].text == code("ada")
    assert found.notes == ["not used: résumé__.txt"]


def _without_utf8_flag(data: bytes) -> bytes:
    """The archive with names that do not say that they are UTF-8; lengths stay, as names were padded."""
    out = bytearray(data)
    for start, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = out.find(start)
        while at >= 0:
            out[at + offset + 1] &= ~0x08
            at = out.find(start, at + 1)
    return bytes(out)


@pytest.mark.parametrize("name", ["..\\evil.py", "C:\\evil.py", "\\\\server\\evil.py", "\\evil.py"])
def test_an_archive_of_dos_is_still_held_to_its_place(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "ada.zip", "w") as archive:
        info = zipfile.ZipInfo(name)
        info.create_system, info.filename = 0, name
        archive.writestr(info, "x = 1")
    said = read(tmp_path / "ada.zip").problems[None]
    assert "leads out" in said or "Windows path" in said or "not a path" in said


@pytest.mark.parametrize("as_archive", [True, False], ids=["archives", "folders"])
def test_who_is_in_two_class_downloads_is_told_apart_by_them(tmp_path, as_archive):
    downloads = []
    for number, week in enumerate(("ps1", "ps2")):
        (tmp_path / week).mkdir()
        files = {f"{MOODLE.format(who, number)}/{PY}": code(who) for who in ("Ada", ("Bob", "Cyd")[number])}
        made = hand_out(tmp_path / week, files, as_archive)
        downloads.append(made.rename(made.with_name(f"{week}{made.suffix}")))
    assert [one.name for one in read_all(downloads)] == ["ps1/Ada", "Bob", "ps2/Ada", "Cyd"]


@pytest.mark.parametrize("as_archive", [True, False], ids=["archives", "folders"])
@pytest.mark.parametrize(
    ("places", "called"),
    [
        (["week1/x", "week2/x"], ["week1/x", "week2/x"]),
        (["a/week/x", "b/week/x", "week2/x"], ["a/week/x", "b/week/x", "week2/x"]),
        (["week1/x", "week1/y", "week2/x"], ["week1/x", "y", "week2/x"]),
    ],
)
def test_class_downloads_of_one_name_are_told_apart_by_the_folders_they_lie_in(tmp_path, places, called, as_archive):
    """A platform calls each week's alike, and whose a submission is, is what stands behind the last slash."""
    downloads = []
    for place in places:
        files = {f"{MOODLE.format(who, 1)}/{PY}": code(place) for who in ("Ada", "Bob")}
        made = hand_out(tmp_path, files, as_archive)
        downloads.append(tmp_path / f"{place}{made.suffix}")
        downloads[-1].parent.mkdir(parents=True, exist_ok=True)
        made.rename(downloads[-1])
    found = read_all(downloads)
    assert [one.name for one in found] == [f"{place}/{who}" for place in called for who in ("Ada", "Bob")]
    roster = Roster({"7": Learner("7", "", ("Ada",)), "8": Learner("8", "", ("Bob",))})
    assert [roster.owner(one.name) for one in found] == ["7", "8"] * len(places)


def test_a_class_download_and_what_it_was_unpacked_to_are_told_apart_by_their_endings(tmp_path):
    files = {f"{MOODLE.format(who, 1)}/{PY}": code("x") for who in ("Ada", "Bob")}
    folder = hand_out(tmp_path, files, False).rename(tmp_path / "x")
    archive = hand_out(tmp_path, files, True).rename(tmp_path / "x.zip")
    assert [one.name for one in read_all([folder, archive])] == ["x/Ada", "x/Bob", "x.zip/Ada", "x.zip/Bob"]
