"""What is handed in is read generously, refused with a sentence, and never harms the grader."""

import io
import json
import os
import re
import socket
import stat
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.course import ROOT, Section, find_exercise, sections
from grader.intake import reading as intake
from grader.intake import syntax
from grader.intake.reading import fingerprint, read
from grader.intake.sources import Source

STEM = "s1_forward_reverse"
PY, NB = f"{STEM}.py", f"{STEM}.ipynb"
CODE = "def q_sample(x0, t, noise, alpha_bar):\n    return x0\n"


def write(path: Path, data: str | bytes = CODE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def notebook(*cells: str, **more: object) -> str:
    listed = [{"cell_type": "code", "metadata": {}, "source": cell.splitlines(keepends=True)} for cell in cells]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": listed, **more})


def pack(
    path: Path, entries: dict[str, str | bytes], edit: Callable[[zipfile.ZipInfo], None] = lambda info: None
) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, data in entries.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            edit(info)
            archive.writestr(info, data)
    return path


def only_source(path: Path) -> Source:
    submission = read(path)
    assert submission.problems == {}
    assert list(submission.sections) == [STEM]
    return submission.sections[STEM]


def problem(path: Path, stem: str | None = STEM) -> str:
    """The only problem of the submission at `path`: one sentence."""
    submission = read(path)
    assert submission.sections == {}
    assert list(submission.problems) == [stem]
    sentence = submission.problems[stem]
    assert sentence
    assert "\n" not in sentence
    assert len(sentence) < 400
    return sentence


# What is accepted


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
    monkeypatch.setattr(intake, "sections", lambda: {**sections(), "s2_ddpm": other})
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
    monkeypatch.setattr(intake, "sections", lambda: {**sections(), "s2_ddpm": Section("s2_ddpm", "", {})})
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


# Notebooks


def lines_of(path: Path) -> list[str]:
    return only_source(path).text.splitlines()


def test_a_notebook_is_read_as_its_code_cells(tmp_path):
    cells = [
        "import math\nx = 1",
        "%%time\ny = 2\n",
        "%%bash\nrm -rf /",
        "%matplotlib inline\n!pip install x \\\n  y\nz = 3",
    ]
    path = write(tmp_path / NB, notebook(*cells))
    assert lines_of(path) == [
        "# the code cells of a notebook",
        "# cell 1", "import math", "x = 1",
        "# cell 2", "pass  # %%time", "y = 2", "",
        "# cell 4", "pass  # %matplotlib inline", "pass  # !pip install x \\", "#   y", "z = 3",
    ]  # fmt: skip
    assert only_source(path).filename == NB
    assert only_source(path).place(13) == "cell 4, line 4"
    assert only_source(path).place(1) == "line 1"


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("files = !ls\nx = 1", "files = get_ipython().getoutput('ls')\nx = 1"),
        ("%time x = 1", "x = 1"),
        ("y = %time f(2)", "y = f(2)"),
        ("y = %timeit -o f(2)", "y = get_ipython().run_line_magic('timeit', '-o f(2)')"),
        ("%%capture out\nx = 1", "out = get_ipython().run_line_magic('capture', '')\nx = 1"),
        ("pwd", "pass  # pwd"),
        ("# where\nls -la", "# where\npass  # ls -la"),
        ("run = 3", "run = 3"),
        ("time.time()", "time.time()"),
        ("ls -la\nx = 1", "ls -la\nx = 1"),
        ("    x = 1\n    y = 2", "x = 1\ny = 2"),
        (">>> x = 1\n>>> if x:\n...     y = 2", "x = 1\nif x:\n    y = 2"),
        ("In [3]: x = 1\n   ...: y = 2", "x = 1\ny = 2"),
        ("await f()", "await f()"),
        ("if True:\n    %timeit f()\nx = 1", "if True:\n    pass  # %timeit f()\nx = 1"),
        ("torch.cumprod?\nx = 1", "pass  # torch.cumprod?\nx = 1"),
        ("?f", "pass  # ?f"),
        ("f??", "pass  # f??"),
        ("x = (5\n  % 3)", "x = (5\n  % 3)"),
        ('x = """\n%d items\n!"""', 'x = """\n%d items\n!"""'),
    ],
)
def test_what_only_ipython_understands_is_taken_out_and_python_is_left_alone(tmp_path, cell, expected):
    assert "\n".join(lines_of(write(tmp_path / NB, notebook(cell)))[2:]) == expected


def test_a_cell_that_is_not_python_is_left_out_and_named(tmp_path):
    submission = read(write(tmp_path / NB, notebook("x = 1", "def f(:", "y = '\ud800'", "x = " + "9" * 5000, CODE)))
    assert submission.sections[STEM].text.count("# cell") == 2
    assert submission.notes[0].startswith(
        f"{NB}: cell 2 was left out, since it is not Python (line 1: invalid syntax); mend the cell"
    )
    assert len(submission.notes) == 3


def test_cells_that_nbgrader_marks_as_tests_are_not_the_learners(tmp_path):
    document = json.loads(notebook("x = 1", "assert False"))
    document["cells"][1]["metadata"] = {"nbgrader": {"grade": True, "solution": False, "points": 3}}
    assert "assert" not in only_source(write(tmp_path / NB, json.dumps(document))).text


def test_a_cell_may_hold_what_no_module_may(tmp_path):
    cells = ["x = 1", "from __future__ import annotations\ny = 1", "y = 2\nglobal_ = 1", "z = 1", "global z\nawait f()"]
    submission = read(write(tmp_path / NB, notebook(*cells)))
    assert submission.notes == []
    assert [cell.number for cell in submission.sections[STEM].cells] == [1, 2, 3, 4, 5]
    assert submission.sections[STEM].place(11) == "cell 4, line 1"


@pytest.mark.parametrize(
    "document",
    [
        {"cells": [{"cell_type": "code", "source": CODE}]},
        {"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": CODE.splitlines(keepends=True)}]}]},
        {"nbformat": 4, "metadata": {"kernelspec": None}, "cells": [{"cell_type": "code", "source": [CODE]}, None, 3]},
        {"nbformat": 5, "metadata": [], "cells": [{"cell_type": "code", "source": CODE, "metadata": "x", "id": 1}] * 2},
    ],
    ids=["bare", "version 3", "no kernel", "version 5, the same id twice"],
)
def test_a_notebook_of_any_version_is_read(tmp_path, document):
    assert "def q_sample" in only_source(write(tmp_path / NB, json.dumps(document))).text


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("", "an empty file"),
        ("{", "not valid JSON"),
        ("[]", "not an object"),
        ('{"nbformat": 4}', "no list of cells"),
        ('{"cells": {}}', "no list of cells"),
        ("[" * 100_000, "not a notebook that can be read"),
        ('{"cells": ' + "9" * 10_000 + "}", "not a notebook that can be read"),
        ("{}," * 1_000_001, "too large a notebook"),
        (notebook("x" * 2**20 + "\ny"), "more than 1,048,576 characters"),
        (notebook("x", metadata={"language_info": {"name": "R"}}), "a notebook in 'r'"),
        (b"\xff{}", "not UTF-8"),
        (b" " * (20 * 2**20 + 1), "too large: it has 20.0 MiB"),
    ],
    ids=[
        "empty",
        "cut",
        "list",
        "no cells",
        "cells no list",
        "nested",
        "digits",
        "objects",
        "code",
        "R",
        "bytes",
        "large",
    ],
)
def test_a_notebook_that_cannot_be_read_is_refused_with_a_sentence(tmp_path, data, says):
    assert says in problem(write(tmp_path / NB, data))


# What is refused


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("x = 1\n\n\ndef f(:\n", "line 4: invalid syntax"),
        ("# Notes\n\nI did *not* finish this.\n", "line 3: invalid syntax"),
        ("x = 1\nreturn x\n", "line 2: 'return' outside function"),
        ("x = 1\n\0", "line 2: a NUL byte"),
        ("x = " + "9" * 5000, "line 1: Exceeds the limit"),
        (b"x = 1\n# caf\xe9\n", "line 2 is not UTF-8: save it as UTF-8"),
        (b"x = 1\n\n\n# caf\xe9\n", "line 4 is not UTF-8: save it as UTF-8"),
        (
            b"# coding: ascii\n# caf\xc3\xa9\n",
            "line 2 is not in the encoding that it declares (ascii): save it as UTF-8",
        ),
        (b"# coding: klingon\n", "declares an encoding that is not known"),
        (b"# coding: idna\n" + b"x" * 1000, "declares an encoding that is not known"),
        (b"# coding: zlib\n", "declares an encoding that is not known"),
        ("x = 1".encode("utf-16"), "saved as UTF-16"),
        (b"PK\x03\x04....", "it is a zip archive"),
        (b"<!DOCTYPE html>\n<html>", "it is a web page"),
        (b"#" * (2**20 + 1), "too large: it has 1.0 MiB"),
    ],
)
def test_a_file_that_is_no_module_is_refused_with_a_sentence(tmp_path, data, says):
    assert says in problem(write(tmp_path / PY, data))


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10**5, "(" * 10**5 + ")" * 10**5, "[" * 10**6, "{" * 10**5, "x = " + "-" * 10**6 + "1", "x = " + "not " * 10**5,
        "a" + ".b" * 500_000, "a" + "[0]" * 10**5, "x = 1" + "+1" * 500_000, "x = 1" + "**1" * 10**5, "(x," * 10**5,
        "x = " + "lambda:" * 10**5 + "1", "1 if 1 else " * 10**4, "x = " + 'f"{' * 10**5, "9" * 10**6,
        "if 1:\n" + "".join(" " * i + "if 1:\n" for i in range(1, 500)), "if 1: pass\n" + "elif 1: pass\n" * 50_000,
    ],
    ids=lambda text: text[:16],
)  # fmt: skip
def test_text_made_to_break_the_compiler_is_survived(tmp_path, text):
    assert "not valid Python" in problem(write(tmp_path / PY, text))


def test_the_compiler_child_is_gone_afterwards():
    with syntax.Compiler() as compiler:
        assert compiler.problem("x = 1") is None
        child = compiler._child
        assert child is not None
        assert child.poll() is None
    assert child.returncode is not None


def test_a_compiler_that_dies_is_a_sentence_and_the_next_text_is_read(monkeypatch):
    monkeypatch.setattr(
        syntax, "_CHILD", syntax._CHILD.replace("line, message = 0", "'die' in text and sys.exit(); line, message = 0")
    )
    with syntax.Compiler() as compiler:
        assert "does not survive" in str(compiler.problem("die"))
        assert compiler.problem("x = 1") is None


def test_a_compiler_that_hangs_is_given_up_on(monkeypatch):
    monkeypatch.setattr(syntax, "SECONDS", 0.2)
    monkeypatch.setattr(
        syntax,
        "_CHILD",
        syntax._CHILD.replace(
            "line, message = 0", "'hang' in text and __import__('time').sleep(60); line, message = 0"
        ),
    )
    start = time.monotonic()
    with syntax.Compiler() as compiler:
        assert "does not survive" in str(compiler.problem("hang"))
    assert time.monotonic() - start < 5


def test_all_texts_of_a_submission_have_one_time_to_compile(monkeypatch):
    monkeypatch.setattr(syntax, "TOTAL_SECONDS", 0.2)
    slow = "'slow' in text and __import__('time').sleep(0.15); line, message = 0"
    monkeypatch.setattr(syntax, "_CHILD", syntax._CHILD.replace("line, message = 0", slow))
    with syntax.Compiler() as compiler:
        answers = [compiler.problem("slow = 1") for _ in range(4)]
    assert answers[0] is None
    assert "too much of it to compile" in str(answers[-1])


def test_a_compiler_that_does_not_start_is_not_the_submissions_fault(tmp_path, monkeypatch):
    monkeypatch.setattr(syntax, "_CHILD", "raise SystemExit")
    with pytest.raises(RuntimeError, match="cannot be started"):
        read(write(tmp_path / PY))


def test_a_path_that_is_not_there_or_no_submission_is_refused_with_a_sentence(tmp_path):
    (tmp_path / "empty").mkdir()
    assert problem(tmp_path / "ada.py", None) == "ada.py cannot be read: no such file or directory"
    assert problem(tmp_path / ("x" * 300), None).endswith("cannot be read: file name too long")
    assert "null" in problem(Path("a\0b"), None)
    assert "holds no section" in problem(tmp_path / "empty", None)
    assert "neither a module" in problem(write(tmp_path / "ada.tar.gz"), None)
    assert "defines no exercise" in problem(write(tmp_path / "ada.py", "x = 1"), None)
    assert "not a zip archive" in problem(write(tmp_path / "ada.zip", "hello"), None)
    assert "not a zip archive" in problem(write(tmp_path / "none.zip", ""), None)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused_with_a_sentence(tmp_path):
    write(tmp_path / PY).chmod(0)
    assert problem(tmp_path) == f"{PY} cannot be read: permission denied"


def test_links_are_never_followed(tmp_path):
    secret = write(tmp_path / "secret" / PY, "secret = 1\n")
    (tmp_path / "file.py").symlink_to(secret)
    (tmp_path / "folder").symlink_to(secret.parent)
    (tmp_path / "ada").mkdir()
    (tmp_path / "ada" / PY).symlink_to(secret)
    (tmp_path / "bob").mkdir()
    (tmp_path / "bob" / "inner").symlink_to(secret.parent)
    assert "file.py is a link, and links are never followed" in problem(tmp_path / "file.py", None)
    assert "folder is a link" in problem(tmp_path / "folder", None)
    assert f"{PY} is a link" in problem(tmp_path / "ada")
    assert "holds no section" in problem(tmp_path / "bob", None)
    write(tmp_path / "bob" / PY)
    assert read(tmp_path / "bob").notes == ["not used: inner (a link)"]


def test_what_is_no_file_is_never_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "ada").mkdir()
    os.mkfifo(tmp_path / "ada" / PY)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(tmp_path / "door.py"))
        assert "not a regular file" in problem(tmp_path / "door.py", None)
    assert "not a regular file" in problem(tmp_path / "pipe.py", None)
    assert "not a regular file" in problem(tmp_path / "ada")
    assert "not a regular file" in problem(Path("/dev/zero"), None)


def test_a_file_of_a_hundred_megabytes_is_not_read(tmp_path):
    for name in (PY, "ada.zip", NB):
        os.truncate(write(tmp_path / name), 100 * 10**6)
    start = time.monotonic()
    assert "too large" in problem(tmp_path / PY)
    assert "too large" in problem(tmp_path / NB)
    assert "too large" in problem(tmp_path / "ada.zip", None)
    assert time.monotonic() - start < 1


def test_a_folder_with_too_many_entries_is_refused(tmp_path):
    for number in range(1001):
        (tmp_path / f"{number}.txt").touch()
    assert "more than 1000 entries" in problem(tmp_path, None)


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        (["../evil.py"], "leads out of the archive"),
        (["ada/../../evil.py"], "leads out of the archive"),
        (["/etc/evil.py"], "leads out of the archive"),
        (["C:/evil.py"], "a Windows path"),
        (["ada\\evil.py"], "a Windows path"),
        (["ada//evil.py"], "not a path"),
        (["a/" * 60 + "evil.py"], "not a path"),
        (["A/x.py", "a/x.py"], "the same name but for its spelling"),
        (["stra\u00dfe.py", "STRASSE.py"], "the same name but for its spelling"),
        (["caf\u00e9.py", "cafe\u0301.py"], "the same name but for its spelling"),
        (["a", "a/x.py"], "two entries called"),
        (["a/x.py", "a"], "two entries called"),
        ([f"{number}.py" for number in range(1001)], "more than 1000 entries"),
    ],
)
def test_an_archive_with_a_bad_path_is_refused_by_name(tmp_path, entries, says):
    sentence = problem(pack(tmp_path / "ada.zip", {PY: CODE, **dict.fromkeys(entries, "x = 1")}), None)
    assert says in sentence
    assert "ada.zip" in sentence
    assert not (tmp_path / "evil.py").exists()


def test_the_same_name_twice_in_an_archive_is_refused(tmp_path):
    with warnings.catch_warnings(), zipfile.ZipFile(tmp_path / "ada.zip", "w") as archive:
        warnings.simplefilter("ignore")
        archive.writestr(PY, CODE)
        archive.writestr(PY, "other = 1")
    assert problem(tmp_path / "ada.zip", None) == f"ada.zip has two entries called {PY}"


def as_mode(mode: int) -> Callable[[zipfile.ZipInfo], None]:
    def edit(info: zipfile.ZipInfo) -> None:
        info.create_system, info.external_attr = 3, (mode | 0o644) << 16

    return edit


def test_links_and_devices_in_an_archive_are_refused(tmp_path):
    link = pack(tmp_path / "link.zip", {PY: "/etc/passwd"}, as_mode(stat.S_IFLNK))
    assert f"{PY} is a link" in problem(link)
    device = pack(tmp_path / "device.zip", {PY: CODE}, as_mode(stat.S_IFBLK))
    assert f"{PY} is a device" in problem(device, None)


def patch(path: Path, start: bytes, offset: int, value: bytes) -> Path:
    """Change a field of every record of a zip archive that begins with `start`."""
    data = bytearray(path.read_bytes())
    at = data.find(start)
    while at >= 0:
        data[at + offset : at + offset + len(value)] = value
        at = data.find(start, at + 1)
    path.write_bytes(data)
    return path


def test_an_encrypted_archive_is_refused(tmp_path):
    path = patch(pack(tmp_path / "ada.zip", {PY: CODE}), b"PK\x01\x02", 8, b"\x01\x00")
    assert f"{PY} is encrypted" in problem(path, None)


def test_a_bomb_is_refused_by_its_declared_and_by_its_true_size(tmp_path):
    bomb = pack(tmp_path / "bomb.zip", {PY: b"#" * (30 * 2**20)})
    assert bomb.stat().st_size < 100_000
    assert "too large: it has 30.0 MiB" in problem(bomb)
    liar = patch(bomb, b"PK\x01\x02", 24, (2000).to_bytes(4, "little"))
    assert PY in problem(liar)  # damaged, or too large: never more than it declared is unpacked
    huge = patch(
        pack(tmp_path / "huge.zip", {PY: CODE, "data.bin": ""}), b"PK\x01\x02", 24, (2**31).to_bytes(4, "little")
    )
    assert "unpacks to" in problem(huge, None)


def test_an_unusual_compression_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "ada.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr(PY, CODE)
    assert "compressed in an unusual way" in problem(tmp_path / "ada.zip")


def test_names_are_shown_without_what_could_act_on_a_terminal(tmp_path):
    submission = read(write(tmp_path / "\x1b[31mada\u202e" / PY).parent)
    assert submission.name == r"\x1b[31mada\u202e"
    odd = tmp_path / os.fsdecode(b"bad\xff.py")
    assert r"bad\udcff.py" in problem(write(odd, "x = 1"), None)


def test_the_sample_cohort_is_read_as_its_page_says():
    cohort = ROOT / "data" / "submissions"
    told = re.findall(r"^\| `([a-z-]+)` \|", (cohort / "README.md").read_text(), re.MULTILINE)
    folders = [path for path in cohort.iterdir() if path.is_dir()]
    assert sorted(told) == sorted(path.name for path in folders)
    read_at_all = {submission.name for submission in map(read, folders) if submission.sections}
    assert set(told) - read_at_all == {"not-python"}
    assert read(cohort / "another-style").sections[STEM].kind == "notebook"
    assert "cell 13 was left out" in read(cohort / "another-style").notes[0]
    assert "not valid Python, line 5" in problem(cohort / "not-python")


# Whatever it is


FUZZ = settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@FUZZ
@given(data=st.binary(max_size=200), suffix=st.sampled_from([".py", ".ipynb", ".zip"]))
def test_no_bytes_make_reading_raise(tmp_path_factory, data, suffix):
    submission = read(write(tmp_path_factory.getbasetemp() / f"{STEM}{suffix}", data))
    assert len(submission.sections) + len(submission.problems) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["code", "x = 1", "%%time\n!"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["cells", "worksheets", "cell_type", "source", "metadata", "nbgrader"]), inner
        )
    ),
    max_leaves=12,
)


@FUZZ
@given(cells=JSON, metadata=JSON)
def test_no_json_makes_reading_raise(tmp_path_factory, cells, metadata):
    path = tmp_path_factory.getbasetemp() / NB
    submission = read(write(path, json.dumps({"cells": cells, "metadata": metadata})))
    assert len(submission.sections) + len(submission.problems) == 1


@FUZZ
@given(at=st.integers(0, 10**6), value=st.integers(0, 255), cut=st.integers(0, 30))
def test_no_damaged_archive_makes_reading_raise(tmp_path_factory, at, value, cut):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"ada/{PY}", CODE)
        archive.writestr("ada/notes.txt", "x")
    data = bytearray(buffer.getvalue())
    data[at % len(data)] = value
    submission = read(write(tmp_path_factory.getbasetemp() / "damaged.zip", bytes(data[: len(data) - cut])))
    assert len(submission.sections) + len(submission.problems) == 1
