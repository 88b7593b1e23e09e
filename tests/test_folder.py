"""A folder that is written again and again: what others wrote in it is never lost. Each costs milliseconds."""

import json

import pytest

from grader.source import folder


def write(to, theirs=(), **files):
    return folder.write(to, {name.replace("__", "/"): text.encode() for name, text in files.items()}, theirs)


def test_what_we_left_is_replaced_and_the_same_again_changes_nothing(tmp_path):
    write(tmp_path, a="one", sub__b="two")
    assert write(tmp_path, a="ONE", sub__b="two").written == ["a"]
    assert (tmp_path / "a").read_text() == "ONE"
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "a", tmp_path / "sub" / "b")}
    assert write(tmp_path, a="ONE", sub__b="two") == folder.Written()
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_what_is_meant_to_be_worked_in_stays_when_it_was_changed(tmp_path):
    write(tmp_path, ["stub"], stub="raise")
    (tmp_path / "stub").write_text("mine")
    done = write(tmp_path, ["stub"], stub="raise")
    assert (done.stayed, done.renewed) == (["stub"], [])
    done = write(tmp_path, ["stub"], stub="raise anew")
    assert (done.stayed, done.renewed) == (["stub"], ["stub"])
    assert (tmp_path / "stub").read_text() == "mine"


def test_what_was_there_before_the_first_time_stays_too(tmp_path):
    (tmp_path / "stub").write_text("mine")
    (tmp_path / "notes.txt").write_text("mine")
    write(tmp_path, ["stub"], stub="raise")
    assert (tmp_path / "stub").read_text() == (tmp_path / "notes.txt").read_text() == "mine"


def test_given_code_that_was_changed_is_moved_aside_each_time_to_another_place(tmp_path):
    for number in (1, 2):
        write(tmp_path, sub__given="ours")
        (tmp_path / "sub" / "given").write_text(f"mine {number}")
        done = write(tmp_path, sub__given="ours")
        assert done.aside == {"sub/given": f".unstatic/kept/{number}/sub/given"}
        assert (tmp_path / done.aside["sub/given"]).read_text() == f"mine {number}"
        assert (tmp_path / "sub" / "given").read_text() == "ours"


def test_what_is_ours_no_longer_goes_unless_it_was_changed(tmp_path):
    write(tmp_path, sub__a="one", b="two")
    (tmp_path / "b").write_text("mine")
    done = write(tmp_path)
    assert (done.removed, done.left) == (["sub/a"], ["b"])
    assert not (tmp_path / "sub").exists()
    assert (tmp_path / "b").read_text() == "mine"


def test_a_link_is_no_way_to_write_elsewhere(tmp_path):
    course, elsewhere = tmp_path / "course", tmp_path / "elsewhere"
    course.mkdir()
    elsewhere.mkdir()
    (course / "sub").symlink_to(elsewhere)
    with pytest.raises(folder.FolderError, match=r"sub is in the way: a folder belongs there"):
        write(course, sub__a="one")
    (course / "sub").unlink()
    (elsewhere / "target").write_text("theirs")
    (course / "a").symlink_to(elsewhere / "target")
    write(course, a="ours")
    assert (elsewhere / "target").read_text() == "theirs"
    assert (course / "a").read_text() == "ours"


def test_a_damaged_record_is_no_licence_to_write_over_things(tmp_path):
    write(tmp_path, a="one")
    (tmp_path / folder.RECORD).write_text(json.dumps({"files": ["a"]}))
    with pytest.raises(folder.FolderError, match="restore it, or choose a new folder"):
        write(tmp_path, a="two")
    assert (tmp_path / "a").read_text() == "one"


def test_nothing_is_written_where_a_folder_is_in_the_way(tmp_path):
    (tmp_path / "b").mkdir()
    with pytest.raises(folder.FolderError, match="a file belongs there"):
        write(tmp_path, a="one", b="two")
    assert not (tmp_path / "a").exists()


def test_text_that_git_checked_out_with_another_line_end_is_as_we_left_it(tmp_path):
    write(tmp_path, ["stub"], stub="raise\n", page="one\ntwo\n", old="gone\n")
    for path in ("stub", "page", "old"):
        (tmp_path / path).write_bytes((tmp_path / path).read_bytes().replace(b"\n", b"\r\n"))
    done = write(tmp_path, ["stub"], stub="raise anew\n", page="one\ntwo\n")
    assert done == folder.Written(written=["stub"], removed=["old"])
    assert (tmp_path / "page").read_bytes() == b"one\r\ntwo\r\n"
