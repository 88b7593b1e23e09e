"""What is handed in is read generously."""

from pathlib import Path

import pytest

from grader.course import ROOT, Section, find_exercise, sections
from grader.intake import choosing
from grader.intake.reading import read
from grader.intake.submission import fingerprint
from tests.handed_in import CODE, NB, PY, STEM, notebook, only_source, pack, problem, write


def test_the_reference_is_read_as_it_is():
    submission = read(ROOT / "solutions" / PY)
    assert submission.name == STEM
    assert submission.sections[STEM].text == (ROOT / "solutions" / PY).read_text()
    assert submission.sections[STEM].filename == PY
    assert (submission.problems, submission.notes) == ({}, [])


@pytest.mark.parametrize(
    "data",
    [
        CODE.encode(),
        b"\xef\xbb\xbf" + CODE.encode(),
        CODE.replace("\n", "\r\n").encode(),
        CODE.replace("\n", "\r").encode(),
        b"\xef\xbb\xbf# -*- coding: utf-8 -*-\r\n" + CODE.encode(),
        b"# coding: latin-1\n# Andr\xe9\n" + CODE.encode(),
        b"#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\n# \x93quoted\x94\n" + CODE.encode(),
        CODE.replace("    ", "\t").encode(),
        b"",
        b"# nothing yet",
    ],
    ids=["plain", "BOM", "CRLF", "CR", "BOM and CRLF", "latin-1", "cp1252", "tabs", "empty", "no newline"],
)
def test_an_honest_file_is_read(tmp_path, data):
    text = only_source(write(tmp_path / PY, data)).text
    assert "\r" not in text
    assert not text.startswith("\ufeff")
    compile(text, PY, "exec")


def test_text_in_a_declared_encoding_is_decoded(tmp_path):
    assert "# André" in only_source(write(tmp_path / PY, b"# coding: latin-1\n# Andr\xe9\n")).text


@pytest.mark.parametrize(
    "name",
    [PY, PY.upper(), f"{STEM} (1).py", f"{STEM}(2).py", f"{STEM}-Copy1.py", f"Copy of {STEM}.py", f"{STEM}_v2.py",
     f"lovelaceada_4711_{STEM}-1.py", "homework.py", "ada.PY"],
)  # fmt: skip
def test_a_file_is_recognised_by_its_name_or_its_exercises(tmp_path, name):
    submission = read(write(tmp_path / name))
    assert submission.name == Path(name).stem
    assert submission.sections[STEM].filename == PY
    assert submission.notes == ([] if name.lower() == PY else [f"{name} was read as {STEM}"])


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        (f"{STEM}.json", notebook(CODE), "notebook"),
        (f"Copy of {STEM}.txt", CODE, "module"),
        (f"{STEM}.txt", notebook(CODE), "notebook"),
        (PY, notebook(CODE), "notebook"),
        (NB, CODE, "module"),
        (NB, "\ufeff" + notebook(CODE), "notebook"),
    ],
)
def test_what_a_file_is_its_content_says_and_not_its_ending(tmp_path, name, data, kind):
    """0.02 s each."""
    submission = read(write(tmp_path / "ada" / name, data).parent)
    assert submission.problems == {}
    assert submission.sections[STEM].kind == kind
    assert "q_sample" in submission.sections[STEM].text
    other = kind != ("notebook" if name.endswith(("b", ".json")) else "module")
    assert (f"{name} holds a {kind}, and was read as one" in submission.notes) == other


def test_text_and_data_of_other_names_are_no_sections(tmp_path):
    for name, data in {"notes.txt": CODE, "package.json": "{}", "requirements.txt": "torch"}.items():
        write(tmp_path / "ada" / name, data)
    assert "holds no section" in problem(tmp_path / "ada", None)


@pytest.mark.parametrize("other", [NB, f"{STEM}_final.py", f"Copy of {STEM}.ipynb"])
def test_a_stub_in_which_nothing_is_written_gives_way_to_what_is_answered(tmp_path, other):
    """0.1 s each."""
    stub = sections()[STEM].stub.read_text(encoding="utf-8")
    write(tmp_path / PY, stub)
    answer = notebook(CODE) if other.endswith(".ipynb") else CODE
    write(tmp_path / other, answer)
    submission = read(tmp_path)
    assert submission.sections[STEM].text.strip().endswith(CODE.strip())
    assert f"{PY} was not read: nothing is written in it, and in {other} is" in submission.notes
    write(tmp_path / PY, stub.replace("raise NotImplementedError", "return x", 1))  # one answer counts as before
    assert read(tmp_path).sections[STEM].kind == "module"
    assert "return x" in read(tmp_path).sections[STEM].text
    write(tmp_path / PY, stub)
    write(tmp_path / other, notebook(stub) if other.endswith(".ipynb") else stub)
    assert "NotImplementedError" in read(tmp_path).sections[STEM].text
    write(tmp_path / PY, "q_sample = lambda *all: all\n")
    write(tmp_path / other, answer)
    assert "lambda" in read(tmp_path).sections[STEM].text


@pytest.mark.parametrize(
    ("files", "empty"),
    [
        ([], True),
        (["exercises/"], True),
        (["a/b/", "c/"], True),
        ([".git/HEAD", "__pycache__/x.pyc", "a/.gitkeep"], True),
        (["README.md"], False),
        (["a/", "b/c/notes.txt"], False),
        (["a/b/c/d/e/f/g/"], False),  # so far down nobody looks
        ([*(f"{one}/{other}/" for one in range(50) for other in range(50))], False),
    ],
    ids=["nothing", "a folder", "folders", "none of theirs", "a file", "a file below", "deep", "many"],
)
def test_a_folder_without_a_file_is_nothing_that_was_handed_in(tmp_path, files, empty):
    (tmp_path / "ada").mkdir()
    for name in files:
        place = tmp_path / "ada" / name
        (place if name.endswith("/") else place.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            place.write_text("")
    assert read(tmp_path / "ada").is_empty == empty
    assert (problem(tmp_path / "ada", None) == "nothing was handed in") == empty


def test_an_archive_without_a_file_was_handed_in_and_holds_no_section(tmp_path):
    (tmp_path / "ada").mkdir()
    for path in (pack(tmp_path / "ada.zip", {}), pack(tmp_path / "ada" / "mine.zip", {}).parent):
        assert not read(path).is_empty
        assert "holds no section" in problem(path, None)


def test_an_empty_file_is_read_and_told(tmp_path):
    assert read(write(tmp_path / PY, "\n \n")).notes == [f"{PY} is an empty file"]
    assert read(write(tmp_path / PY, CODE)).notes == []


def test_a_module_of_unknown_name_with_a_syntax_error_still_belongs_to_its_section(tmp_path):
    assert (
        problem(write(tmp_path / "ada.py", CODE + "def oops(:\n"))
        == "ada.py is not valid Python, line 3: invalid syntax"
    )


@pytest.mark.parametrize("inside", ["", "ada/", "repo-main/exercises/", "a/b/c/"])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_section_is_found_in_a_folder_or_an_archive(tmp_path, inside, zipped):
    files = {f"{inside}{PY}": CODE, f"{inside}notes.txt": "hello", ".DS_Store": b"\0", "__MACOSX/._x": b"\0"}
    if inside.endswith("exercises/"):
        files |= {"repo-main/solutions/x.py": "", "repo-main/README.md": ""}
    if zipped:
        path = pack(tmp_path / "ada.zip", files)
    else:
        path = tmp_path / "ada"
        for name, data in files.items():
            write(path / name, data)
    submission = read(path)
    assert submission.name == "ada"
    assert submission.sections[STEM].text == CODE
    assert submission.notes == ["not used: notes.txt"]


def test_a_dot_is_the_folder_it_stands_for(tmp_path, monkeypatch):
    write(tmp_path / "ada" / PY)
    monkeypatch.chdir(tmp_path / "ada")
    assert read(Path()).name == "ada"


def test_an_archive_may_write_its_paths_with_a_leading_dot(tmp_path):
    assert only_source(pack(tmp_path / "ada.zip", {"./": "", f"./{PY}": CODE})).text == CODE


def test_a_folder_of_all_sections_gives_each(tmp_path, monkeypatch):
    other = Section("s2_ddpm", "", {"snr": find_exercise("q_sample")})
    monkeypatch.setattr(choosing, "sections", lambda: {**sections(), "s2_ddpm": other})
    write(tmp_path / PY)
    write(tmp_path / "s2_ddpm.ipynb", notebook("snr = 1", "%%bash\nls"))
    write(tmp_path / "s3_unknown.py")
    submission = read(tmp_path)
    assert list(submission.sections) == [STEM, "s2_ddpm"]
    assert submission.sections["s2_ddpm"].kind == "notebook"
    assert submission.notes == ["not used: s3_unknown.py"]
    (tmp_path / "both").mkdir()
    both = write(tmp_path / "both" / "homework.py", CODE + "def snr(): ...\n")
    assert "exercises of s1_forward_reverse and s2_ddpm" in problem(both, None)


def test_one_bad_section_does_not_touch_another(tmp_path, monkeypatch):
    monkeypatch.setattr(choosing, "sections", lambda: {**sections(), "s2_ddpm": Section("s2_ddpm", "", {})})
    write(tmp_path / PY, "def (")
    write(tmp_path / "s2_ddpm.py", "x = 1")
    submission = read(tmp_path)
    assert list(submission.sections) == ["s2_ddpm"]
    assert list(submission.problems) == [STEM]


def test_a_module_wins_over_a_notebook_and_a_note_says_so(tmp_path):
    write(tmp_path / PY)
    write(tmp_path / NB, notebook("x = 1"))
    submission = read(tmp_path)
    assert submission.sections[STEM].kind == "module"
    assert submission.notes == [f"{PY} was read and {NB} was not: a module wins over a notebook"]


def test_files_that_could_steer_the_grader_are_listed_and_not_used(tmp_path):
    for name in ("conftest.py", "pytest.ini", "sitecustomize.py", "torch.py", PY):
        write(tmp_path / name)
    submission = read(tmp_path)
    assert list(submission.sections) == [STEM]
    assert submission.notes == ["not used: conftest.py, pytest.ini, sitecustomize.py, torch.py"]


def test_two_files_for_one_section_are_not_chosen_between(tmp_path):
    for number in (1, 2):
        write(tmp_path / f"{STEM} ({number}).py")
    assert "could each be" in problem(tmp_path)
    write(tmp_path / PY, "exact = 1\n")
    assert read(tmp_path).sections[STEM].text == "exact = 1\n"


def test_the_fingerprint_is_that_of_the_content(tmp_path):
    one, two = read(write(tmp_path / "a" / PY)), read(write(tmp_path / "b" / "homework.py"))
    assert fingerprint(one, STEM) == fingerprint(two, STEM)
    assert fingerprint(one, STEM) != fingerprint(read(write(tmp_path / "c" / PY, CODE + " ")), STEM)
    assert fingerprint(read(tmp_path / "none"), STEM) != fingerprint(one, STEM)
