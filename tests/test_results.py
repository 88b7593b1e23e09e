"""Results survive kills, full disks and company; the document is what the design says."""

import errno
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from grader.course import ROOT, find_exercise
from grader.files import replace_file, write_atomically
from grader.judging import cohort, store
from grader.judging.results import Row, document
from grader.judging.store import Key, Store, course_version
from grader.sandbox.host import scratch

STEM = "s1_forward_reverse"


def row(exercise: str = "q_sample", verdict: str = "pass", score: float = 2) -> Row:
    checks = [{"name": f"test_{exercise}_x", "verdict": verdict, "seconds": 0.01}]
    return {"section": STEM, "exercise": exercise, "points": find_exercise(exercise).points, "score": score,
            "verdict": verdict, "message": "", "misconception": None, "checks": checks}  # fmt: skip


def key(content: str = "a", **changes: object) -> Key:
    return Key(**{"content": content, "section": STEM, "seed": 1, "course": "c", "isolation": "none", **changes})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".unstatic" / "results.jsonl"


def test_what_is_put_is_found_by_this_store_and_by_the_next(path):
    store = Store(path)
    assert store.get(key()) == []
    store.put(key(), [row()])
    assert store.get(key()) == [row()]
    assert Store(path).get(key()) == [row()]


@pytest.mark.parametrize(
    "changes",
    [
        {"content": "b"},
        {"section": "s2_ddpm"},
        {"seed": 2},
        {"course": "d"},
        {"isolation": "bwrap"},
        {"only": ("q_sample",)},
        {"time": (("q_sample", 2.0),)},
        {"checks": "d"},
        {"charge_once": False},
    ],
)
def test_a_key_that_differs_in_anything_finds_nothing(path, changes):
    Store(path).put(key(), [row()])
    assert Store(path).get(key(**changes)) == []


def test_the_last_rows_of_a_key_count_and_a_caller_cannot_change_them(path):
    store = Store(path)
    store.put(key(), [row()])
    store.put(key(), [row(verdict="fail", score=0)])
    store.get(key())[0]["score"] = 99
    assert store.get(key()) == [row(verdict="fail", score=0)]


def test_a_store_sees_what_another_grader_adds(path):
    one, two = Store(path), Store(path)
    one.put(key("a"), [row()])
    two.put(key("b"), [row()])
    assert one.get(key("b")) == two.get(key("a")) == [row()]


def test_a_store_notices_that_its_file_was_removed_or_replaced(path):
    store = Store(path)
    store.put(key("a"), [row()])
    assert store.get(key("a"))
    path.unlink()
    assert store.get(key("a")) == []
    store.put(key("b"), [row()])
    assert (store.get(key("a")), store.get(key("b"))) == ([], [row()])
    os.truncate(path, 0)  # the same file, cut
    assert store.get(key("b")) == []


def test_a_fault_of_the_grader_is_not_a_result(path):
    store = Store(path)
    store.put(key(), [row(), row("predict_x0", "grader-error", 0)])
    assert store.get(key()) == [row()]
    store.put(key("b"), [row("predict_x0", "grader-error", 0)])
    assert store.get(key("b")) == []
    store.put(key(), [row("predict_x0", "grader-error", 0)])
    assert Store(path).get(key()) == [row()]  # and takes none away that is there


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda entry: entry["rows"][0].update(score=99), "changed after it was written"),
        (lambda entry: entry.pop("checksum"), "no result .KeyError: 'checksum'"),
        (lambda entry: resealed(entry, score=99), "a score of 99 of 2"),
        (lambda entry: resealed(entry, score=float("nan")), "a score of nan of 2"),
        (lambda entry: resealed(entry, score=-1), "a score of -1 of 2"),
        (lambda entry: resealed(entry, points=float("inf")), "a score of 2 of inf"),
        (lambda entry: resealed(entry, message=None), "without section, exercise and message"),
        (lambda entry: resealed(entry, verdict="excellent"), "'excellent' is no verdict"),
        (lambda entry: resealed(entry, points=None), "no result .TypeError"),
    ],
)
def test_a_row_that_was_edited_by_hand_counts_for_nothing_and_is_told(path, edit, says):
    Store(path).put(key("a"), [row()])
    Store(path).put(key("b"), [row()])
    first, second = path.read_text().splitlines()
    entry = json.loads(first)
    edit(entry)
    path.write_text(f"{json.dumps(entry)}\n{second}\n")
    kept = Store(path)
    assert (kept.get(key("a")), kept.get(key("b"))) == ([], [row()])
    assert re.search(rf"results.jsonl:1: .*{says}.*graded again", " ".join(kept.doubts))


def resealed(entry, **changes):
    """An entry whose row was changed by somebody who knows the checksum."""
    entry["rows"][0].update(changes)
    entry["checksum"] = store.checksum(entry)


def test_what_one_grader_is_at_another_leaves_alone_until_it_is_done_or_dead(path):
    one, two = Store(path), Store(path)
    with one.claim(key()) as first, two.claim(key()) as second, two.claim(key("b")) as other:
        assert (first, second, other) == (True, False, True)
    with two.claim(key()) as again:
        assert again
    assert not list((path.parent / "claims").iterdir())


@pytest.mark.parametrize("left", [1, 10, 100, -1])
def test_a_line_cut_short_is_passed_over_and_the_next_is_whole(path, left):
    Store(path).put(key("a"), [row()])
    Store(path).put(key("b"), [row()])
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second[:left])
    store = Store(path)
    assert store.get(key("a")) == [row()]
    assert store.get(key("b")) == []
    store.put(key("c"), [row()])
    assert store.get(key("c")) == Store(path).get(key("c")) == [row()]
    assert Store(path).get(key("b")) == ([row()] if left == -1 else [])  # all of it but the newline


@pytest.mark.parametrize(
    "line", ["", "null", "[]", "{}", '{"schema": 1}', '{"schema": 3, "key": {}, "rows": []}', "\0\0"]
)
def test_a_line_that_is_no_result_is_passed_over(path, line):
    Store(path).put(key(), [row()])
    path.write_text(line + "\n" + path.read_text())
    store = Store(path)
    assert (store.get(key()), store.doubts) == ([row()], [])


def test_a_doubt_names_its_line_though_the_file_was_read_while_another_wrote(path):
    store = Store(path)
    store.put(key("a"), [row()])
    whole = path.read_bytes()
    for half in (whole[:10], whole[:50]):
        path.write_bytes(half)
        assert store.get(key("a")) == []
    path.write_bytes(whole.replace(b'"score": 2', b'"score": 1'))
    assert store.get(key("a")) == []
    (doubt,) = store.doubts
    assert "results.jsonl:1: this result was changed" in doubt


@pytest.mark.parametrize("error", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_where_nothing_can_be_locked_results_are_kept_all_the_same(path, monkeypatch, error):
    def none(*_, **__) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(scratch, "lock", none)
    Store(path).put(key("a"), [row()])
    Store(path).put(key("b"), [row()])
    assert Store(path).get(key("a")) == Store(path).get(key("b")) == [row()]


def test_where_nothing_can_be_locked_a_full_disk_takes_no_line_of_anothers_away(path, monkeypatch):
    """A file that is cut to what it was when we began may have grown by somebody else's results since."""

    def fill(file: int, data: memoryview) -> int:
        with path.open("ab") as others:
            others.write(b"theirs\n")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store, "lock_if_possible", lambda opened: False)
    monkeypatch.setattr(store.os, "write", fill)
    with pytest.raises(OSError, match="No space left"):
        Store(path).put(key("b"), [row()])
    assert path.read_bytes() == b"theirs\n"


WRITER = """
import sys
from pathlib import Path
from grader.judging.store import Key, Store
store, name, count = Store(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
for number in range(count):
    rows = [{"section": "s", "exercise": "e", "verdict": "pass", "message": name * 5000, "score": 1, "points": 1}]
    store.put(Key(f"{name}{number}", "s", 1, "c", "i"), rows)
    print(number, flush=True)
"""


def writer(path: Path, name: str, count: int) -> subprocess.Popen:
    arguments = [sys.executable, "-c", WRITER, str(path), name, str(count)]
    return subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_two_graders_at_once_lose_nothing(path):
    writers = [writer(path, name, 40) for name in "ab"]
    for process in writers:
        process.communicate(timeout=60)
        assert process.returncode == 0
    store = Store(path)
    for name in "ab":
        for number in range(40):
            found = store.get(Key(f"{name}{number}", "s", 1, "c", "i"))
            assert [row["message"] for row in found] == [name * 5000]


def test_threads_of_one_grader_share_a_store(path):
    store = Store(path)

    def work(name: str) -> None:
        for number in range(20):
            store.put(key(f"{name}{number}"), [row()])
            assert store.get(key(f"{name}{number}")) == [row()]

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(path.read_text().splitlines()) == 80


def test_what_was_stored_before_a_kill_is_there_after_it(path):
    for turn in range(4):
        process = writer(path, f"k{turn}-", 10_000)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.05 * turn)
        process.kill()
        said = process.stdout.read().split()
        process.wait()
        process.stdout.close()
        store = Store(path)
        for number in said:
            assert store.get(Key(f"k{turn}-{number}", "s", 1, "c", "i"))
    Store(path).put(key(), [row()])
    assert Store(path).get(key()) == [row()]


def test_a_full_disk_is_an_error_that_names_the_file_and_leaves_it_whole(path, monkeypatch):
    store = Store(path)
    store.put(key("a"), [row()])
    before, write, calls = path.read_bytes(), os.write, []

    def half(file: int, data: memoryview) -> int:
        calls.append(len(data))
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data[: len(data) // 2])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match=r"results cannot be stored: No space left on device.*results\.jsonl"):
        store.put(key("b"), [row()])
    assert path.read_bytes() == before


def test_a_result_is_on_disk_when_it_is_said_to_be_stored(path, monkeypatch):
    kept, fsync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: kept.append(os.path.realpath(f"/dev/fd/{file}")) or fsync(file))
    Store(path).put(key(), [row()])
    assert kept == [os.path.realpath(path)]


def test_a_place_that_cannot_be_written_is_an_error_that_names_it(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"results cannot be stored: .*file"):
        Store(tmp_path / "file" / "results.jsonl").put(key(), [row()])
    with pytest.raises(OSError, match=r"No space left on device: '/dev/full'"):
        Store(Path("/dev/full")).put(key(), [row()])


def test_the_course_version_changes_with_what_a_verdict_depends_on(tmp_path, monkeypatch):
    first = course_version()
    assert first == course_version()
    assert len(first) == 64
    extra = tmp_path / "extra.py"
    extra.write_text("x = 1")
    files = store.course_files()
    names = {path.relative_to(ROOT).as_posix() for path in files}
    assert {"exercises/course.toml", f"exercises/checks/{STEM}/test_q_sample.py", "exercises/toolkit/extract.py",
            f"solutions/{STEM}.py", "grader/checks/collect.py"} <= names  # fmt: skip
    monkeypatch.setattr(store, "course_files", lambda: files[1:])
    course_version.cache_clear()
    assert course_version() != first
    monkeypatch.setattr(store, "course_files", lambda: files)
    with monkeypatch.context() as other:
        other.setattr(store.platform, "python_version", lambda: "3.99.0")
        course_version.cache_clear()
        assert course_version() != first
    monkeypatch.setattr(store, "installed_here", lambda: ["torch 1.0"])
    course_version.cache_clear()
    assert course_version() != first
    course_version.cache_clear()


def test_what_is_installed_is_part_of_the_course_version():
    installed = store.installed_here()
    assert f"pytest {pytest.__version__}" in installed
    assert len(installed) > 10


def test_what_can_be_imported_without_having_been_installed_is_part_of_it_too(tmp_path, monkeypatch):
    before = course_version()
    packages = tmp_path / "site-packages"
    packages.mkdir()
    monkeypatch.syspath_prepend(str(packages))
    course_version.cache_clear()
    assert course_version() == before
    shipped = tmp_path / "library" / "_vendor"
    (shipped / "packaging-1.0.dist-info").mkdir(parents=True)
    (shipped / "packaging-1.0.dist-info" / "METADATA").write_text("Name: packaging\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(shipped))  # as setuptools does when something imports it
    course_version.cache_clear()
    assert course_version() == before
    (packages / "progress_bar_of_somebody.py").touch()
    course_version.cache_clear()
    assert course_version() != before
    course_version.cache_clear()


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    target = tmp_path / "out" / "spring" / "grade.json"
    write_atomically(target, "one é\n")
    assert target.read_bytes() == "one é\n".encode()
    monkeypatch.setattr(
        os, "fsync", lambda file: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device"))
    )
    with pytest.raises(OSError, match=r"cannot be written: No space left on device: '.*grade\.json'"):
        write_atomically(target, "two")
    assert target.read_text() == "one é\n"
    assert os.listdir(target.parent) == ["grade.json"]
    with pytest.raises(OSError, match="cannot be written"):
        write_atomically(target / "inner", "three")


def test_a_full_disk_is_told_with_the_file_that_does_not_fit():
    with pytest.raises(OSError, match=r"No space left on device: '/dev/full'"):
        replace_file(Path("/dev/full"), b"one", named=True)


def test_a_files_new_name_is_on_disk_too_when_the_file_is(tmp_path, monkeypatch):
    """A file whose folder is not written down is there under its old name after a power cut, with its old content."""
    kept, fsync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: kept.append(os.path.realpath(f"/dev/fd/{file}")) or fsync(file))
    write_atomically(tmp_path / "grade.json", "one")
    draft, folder = kept
    assert Path(draft).parent == Path(folder) == tmp_path.resolve()


def test_a_file_that_somebody_named_stays_what_it_is(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "grade.json", tmp_path / "grade.json"
    link.symlink_to(Path("elsewhere") / "grade.json")
    write_atomically(link, "one", named=True)  # where it points at nothing yet
    target.chmod(0o640)
    write_atomically(link, "two", named=True)
    assert link.is_symlink()
    assert (target.read_text(), target.stat().st_mode & 0o777) == ("two", 0o640)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    reading, writing = os.pipe()
    for place, end in ((pipe, reader), (Path(f"/dev/fd/{writing}"), reading)):  # the second as the shell's >(command)
        write_atomically(place, "three", named=True)
        assert os.read(end, 100) == b"three"
    assert pipe.is_fifo()
    for end in (reader, reading, writing):
        os.close(end)


def test_who_may_read_a_file_may_do_so_at_no_moment_before_either(tmp_path, monkeypatch):
    """Not while it is written; a seed is kept from those who are no colleagues."""
    modes = []
    replace = Path.replace
    monkeypatch.setattr(
        Path, "replace", lambda draft, to: modes.append(draft.stat().st_mode & 0o777) or replace(draft, to)
    )
    before = os.umask(0)
    try:
        write_atomically(tmp_path / "secret", "one", mode=0o600)
        cohort.stored_seed(tmp_path / "course")
    finally:
        os.umask(before)
    assert [*modes, (tmp_path / "course" / "seed").stat().st_mode & 0o777] == [0o600, 0o660, 0o660]


def test_a_file_in_a_folder_replaces_whatever_somebody_put_there(tmp_path):
    mine, link, pipe = tmp_path / "mine", tmp_path / "index.html", tmp_path / "feedback.md"
    mine.write_text("mine")
    link.symlink_to(mine)
    os.mkfifo(pipe)
    for path in (link, pipe):
        write_atomically(path, "page")
        assert path.is_file()
        assert not path.is_symlink()
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("name", ["x" * 250 + ".json", "é" * 127], ids=["ascii", "accents"])
def test_a_file_may_be_called_as_long_as_the_file_system_allows(tmp_path, name, named):
    write_atomically(tmp_path / name, "long", named=named)
    assert os.listdir(tmp_path) == [name]


def test_the_document_is_what_the_design_says():
    rows = [row("predict_x0", "fail", 0), row("q_sample"), row("forward_step", score=1)]
    made = document(7, "bwrap+landlock", [("zoe", rows), ("ada", [])])
    assert list(made) == ["schema", "seed", "isolation", "submissions"]
    assert (made["schema"], made["seed"], made["isolation"]) == (1, 7, "bwrap+landlock")
    zoe, ada = made["submissions"]
    assert [one["exercise"] for one in zoe["exercises"]] == ["forward_step", "q_sample", "predict_x0"]
    assert (zoe["name"], zoe["score"], zoe["points"]) == ("zoe", 3.0, 4.0)
    assert ada == {"name": "ada", "score": 0.0, "points": 0.0, "exercises": []}
    assert all(isinstance(number, float) for one in zoe["exercises"] for number in (one["points"], one["score"]))
    assert json.loads(json.dumps(made)) == made


def test_shares_of_points_add_up_to_what_people_expect():
    rows = [row(score=0.1), row("predict_x0", score=0.2)]
    assert document(1, "none", [("ada", rows)])["submissions"][0]["score"] == 0.3
