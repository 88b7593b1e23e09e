"""What cannot be read is refused with a sentence, and nothing that is handed in harms the grader."""

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

from grader.course import ROOT
from grader.intake import syntax
from grader.intake.reading import read
from tests.handed_in import CODE, NB, PY, STEM, notebook, pack, problem, write


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


MERGED = "<<<<<<< HEAD\n{0}\n=======\n{0}\n>>>>>>> theirs\n"


def test_what_a_merge_left_is_told_with_its_line(tmp_path):
    """0.1 s."""
    told = "a merge left its conflict there: keep what is right, and delete the lines"
    assert f"{PY} is not valid Python, line 3: {told}" in problem(write(tmp_path / PY, CODE + MERGED.format("x = 1")))
    assert f"{NB} is not a notebook, line 2: {told}" in problem(
        write(tmp_path / NB, "{\n" + MERGED.format('"cells": [],'))
    )
    submission = read(write(tmp_path / NB, notebook("x = 1\n" + MERGED.format("y = 1"), CODE)))
    assert submission.notes == [f"{NB}: cell 1 was left out, since it is not Python (line 2): {syntax.CONFLICT}"]
    shown = f'"""\n{MERGED.format("x")}"""\n{CODE}'  # in a text that is Python it is no conflict
    assert read(write(tmp_path / PY, shown)).problems == {}


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("type Batch = Tensor", "3.12"),
        ("def q_sample[T](x0: T) -> T: ...", "3.12"),
        ("class Box[T]: ...", "3.12"),
        ("said = t'{1}'", "3.14"),
        ("x = (1", ""),
        ("except_this = [1, ", ""),
    ],
)
def test_of_syntax_that_only_a_newer_python_reads_it_is_said_which_one_grades(line, wanted, monkeypatch):
    monkeypatch.setattr(syntax.sys, "version_info", (3, 11, 9))
    said = syntax.written_for(syntax.SyntaxProblem(2, "invalid syntax"), f"x = 1\n{line}\n")
    graded = f" (this may be Python {wanted}'s; what is handed in is graded with Python 3.11)"
    assert said == (graded if wanted else "")
    monkeypatch.setattr(syntax.sys, "version_info", (3, 15, 0))
    assert syntax.written_for(syntax.SyntaxProblem(2, "invalid syntax"), f"x = 1\n{line}\n") == ""


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
        syntax, "CHILD", syntax.CHILD.replace("line, message = 0", "'die' in text and sys.exit(); line, message = 0")
    )
    with syntax.Compiler() as compiler:
        assert "does not survive" in str(compiler.problem("die"))
        assert compiler.problem("x = 1") is None


def test_a_compiler_that_hangs_is_given_up_on(monkeypatch):
    monkeypatch.setattr(
        syntax,
        "CHILD",
        syntax.CHILD.replace(
            "line, message = 0", "'hang' in text and __import__('time').sleep(600); line, message = 0"
        ),
    )
    with syntax.Compiler() as compiler:
        assert compiler.problem("x = 1") is None  # it has started, however busy the machine is
        monkeypatch.setattr(syntax, "SECONDS", 0.2)
        start = time.monotonic()
        assert "does not survive" in str(compiler.problem("hang"))
    assert time.monotonic() - start < 300


def test_all_texts_of_a_submission_have_one_time_to_compile(monkeypatch):
    monkeypatch.setattr(syntax, "TOTAL_SECONDS", 0.2)
    slow = "'slow' in text and __import__('time').sleep(0.15); line, message = 0"
    monkeypatch.setattr(syntax, "CHILD", syntax.CHILD.replace("line, message = 0", slow))
    with syntax.Compiler() as compiler:
        answers = [compiler.problem("slow = 1") for _ in range(4)]
    assert answers[0] is None
    assert "too much of it to compile" in str(answers[-1])


def test_a_compiler_that_does_not_start_is_not_the_submissions_fault(tmp_path, monkeypatch):
    monkeypatch.setattr(syntax, "CHILD", "raise SystemExit")
    with pytest.raises(RuntimeError, match="cannot be started"):
        read(write(tmp_path / PY))


def test_a_path_that_is_not_there_or_no_submission_is_refused_with_a_sentence(tmp_path):
    (tmp_path / "empty").mkdir()
    assert problem(tmp_path / "ada.py", None) == "ada.py cannot be read: no such file or directory"
    assert problem(tmp_path / ("x" * 300), None).endswith("cannot be read: file name too long")
    assert "null" in problem(Path("a\0b"), None)
    assert problem(tmp_path / "empty", None) == "nothing was handed in"
    assert "neither a module" in problem(write(tmp_path / "ada.xyz"), None)
    assert "defines no exercise" in problem(write(tmp_path / "ada.py", "x = 1"), None)
    assert "not a zip archive" in problem(write(tmp_path / "ada.zip", "hello"), None)
    assert "not a zip archive" in problem(write(tmp_path / "none.zip", ""), None)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "answers.rar",
            "is a RAR archive, which is not opened: hand in the files themselves, or a zip archive of them",
        ),
        ("answers.7z", "is a 7z archive, which is not opened"),
        ("answers.tar.gz", "is an archive that is not opened: hand in the files themselves"),
        ("homework 1.PDF", "is a PDF document: hand in the module (.py) or the notebook (.ipynb) itself"),
        ("Screenshot 2026-03-15 at 10.11.12.png", "is a picture: hand in the module"),
        (f"{STEM}.html", "is a web page: hand in the module"),
        (f"{STEM}.md", "is text in Markdown: hand in the module"),
        ("Re Homework.eml", "is an e-mail: save what is attached to it"),
        ("My colab.url", "is a link, and links are never followed: hand in the module"),
        (f"{STEM}.py.crdownload", "is a download that did not end: save it again"),
    ],
)
def test_a_file_of_another_kind_is_told_for_what_it_is_alone_and_in_a_folder(tmp_path, name, says):
    """0.02 s each."""
    write(tmp_path / "ada" / name, "x")
    for place in (tmp_path / "ada", tmp_path / "ada" / name):
        said = problem(place, None)
        assert f"{name} {says}" in said
        assert "name each file" not in said


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
    start = time.process_time()
    assert "too large" in problem(tmp_path / PY)
    assert "too large" in problem(tmp_path / NB)
    assert "too large" in problem(tmp_path / "ada.zip", None)
    assert time.process_time() - start < 1


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


def test_what_is_a_folder_by_its_mode_alone_is_one(tmp_path):
    assert f"there is {PY}/" in problem(pack(tmp_path / "ada.zip", {PY: CODE}, as_mode(stat.S_IFDIR)), None)


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
