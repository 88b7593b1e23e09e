"""A stub put back, and what was there put back again: nothing is lost on the way."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.desk import restoring
from tests.classroom import JUMP, PRODUCT, S1, Desk, open_desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk of section 1 alone: what is next is known as soon as that is."""
    with open_desk(tmp_path, S1.stem) as desk:
        yield desk


def test_reset_puts_a_stub_back_and_keeps_the_learner_s_work(desk: Desk) -> None:
    stub = desk.module.read_text(encoding="utf-8")
    desk.hand_in()
    mine = desk.module.read_text(encoding="utf-8")
    assert desk.unstatic("reset", "q_sample").returncode == 0
    kept = desk.folder / ".unstatic" / "kept" / f"{S1.stem}-1.py"
    assert kept.read_text(encoding="utf-8") == mine
    now = desk.module.read_text(encoding="utf-8")
    assert now.count("raise NotImplementedError") == 1
    assert now.split("def q_sample")[0] == mine.split("def q_sample")[0]
    assert now.split("def predict_x0")[1] == mine.split("def predict_x0")[1]

    assert desk.unstatic("reset", "s1").returncode == 0
    assert desk.module.read_text(encoding="utf-8") == stub
    assert (desk.folder / ".unstatic" / "kept" / f"{S1.stem}-2.py").read_text(encoding="utf-8") == now


def test_reset_keeps_no_stub_and_nothing_twice(desk: Desk) -> None:
    desk.hand_in()
    for _ in range(3):
        desk.unstatic("reset", "s1")
    kept = desk.folder / ".unstatic" / "kept"
    assert [path.name for path in kept.iterdir()] == [f"{S1.stem}-1.py"]
    desk.hand_in()
    assert f"{S1.stem}-1.py" in desk.unstatic("reset", "s1").stdout
    assert len(list(kept.iterdir())) == 1


@pytest.mark.parametrize("name", [("s1",), ("q_sample",), ()])
def test_reset_can_be_undone(desk: Desk, name: tuple[str, ...]) -> None:
    desk.hand_in()
    mine = desk.module.read_text(encoding="utf-8")
    desk.unstatic("reset", *(name or ("s1",)))
    assert desk.module.read_text(encoding="utf-8") != mine
    said = desk.unstatic("reset", *name, "--undo")
    assert said.returncode == 0, said
    now = desk.module.read_text(encoding="utf-8")
    assert (
        now == mine.replace("    ### BEGIN SOLUTION\n", "").replace("    ### END SOLUTION\n", "")
        or now == mine
        or (restoring.lines_of("q_sample", now) == restoring.lines_of("q_sample", mine))
    )


def text_of(desk: Desk) -> str:
    return desk.module.read_text(encoding="utf-8")


def test_resets_are_taken_back_one_by_one_and_nothing_else_is(desk: Desk) -> None:
    desk.hand_in()
    mine = {name: restoring.lines_of(name, text_of(desk)) for name in ("q_sample", "predict_x0", "sample")}
    desk.unstatic("reset", "q_sample")
    desk.unstatic("reset", "--undo")
    desk.unstatic("reset", "predict_x0")  # the copy that is there already has all of this too
    desk.unstatic("reset", "sample")
    assert "predict_x0 is again" in desk.unstatic("reset", "predict_x0", "--undo").stdout
    desk.module.write_text(text_of(desk) + "\nAFTERWARDS = 1\n", encoding="utf-8")
    assert "sample is again" in desk.unstatic("reset", "--undo").stdout
    assert {name: restoring.lines_of(name, text_of(desk)) for name in mine} == mine
    assert "AFTERWARDS = 1" in text_of(desk)
    said = desk.unstatic("reset", "--undo")
    assert said.returncode == 1
    assert "Nothing was reset that has not been taken back" in said.stdout


def test_of_a_section_that_was_reset_one_exercise_can_be_taken_back(desk: Desk) -> None:
    desk.hand_in()
    mine = text_of(desk)
    desk.unstatic("reset", "s1")
    desk.unstatic("reset", "q_sample", "--undo")
    assert restoring.lines_of("q_sample", text_of(desk)) == restoring.lines_of("q_sample", mine)
    assert restoring.lines_of("sample", text_of(desk)) != restoring.lines_of("sample", mine)
    desk.unstatic("reset", "--undo")
    assert text_of(desk) == mine


def test_undo_without_a_reset_says_that_there_is_none(desk: Desk) -> None:
    said = desk.unstatic("reset", "--undo")
    assert said.returncode == 1
    assert "Nothing was reset" in said.stdout


def test_reset_without_a_name_asks_for_one(desk: Desk) -> None:
    said = desk.unstatic("reset")
    assert said.returncode == 2
    assert "unstatic reset q_sample" in said.stderr


def test_reset_of_one_exercise_in_a_file_that_is_no_python_puts_its_stub_back(desk: Desk) -> None:
    desk.hand_in((JUMP, "return a.sqrt( * x0"))
    assert desk.unstatic("reset", "q_sample").returncode == 0
    text = desk.module.read_text(encoding="utf-8")
    compile(text, "s1", "exec")
    assert text.count("raise NotImplementedError") == 1
    assert PRODUCT in text


def test_reset_of_another_exercise_than_the_broken_one_says_what_is_left_to_mend(desk: Desk) -> None:
    desk.hand_in((JUMP, "return a.sqrt( * x0"))
    said = desk.unstatic("reset", "predict_x0").stdout
    assert "still cannot be read: line 50: SyntaxError" in said
    with desk.module.open("a", encoding="utf-8") as file:
        file.write("x = " + "-" * 100_000 + "1\n")
    assert "still cannot be read" in desk.unstatic("reset", "predict_x0").stdout
    desk.hand_in((JUMP, "return x0" + ".mT" * 5000))
    assert "still cannot be read" not in desk.unstatic("reset", "q_sample").stdout


def test_reset_puts_a_stub_where_there_is_none(desk: Desk) -> None:
    desk.hand_in(("def q_sample(", "def q_sampel("))
    assert desk.unstatic("reset", "q_sample").returncode == 0
    text = desk.module.read_text(encoding="utf-8")
    assert text.index("def q_sampel(") < text.index("def q_sample(") < text.index("def predict_x0(")


def test_reset_of_a_file_in_no_known_encoding_names_the_line(desk: Desk) -> None:
    desk.hand_in()
    desk.module.write_bytes(desk.module.read_bytes() + b"# caf\xe9\n")
    before = desk.module.read_bytes()
    said = desk.unstatic("reset", "q_sample")
    assert said.returncode == 1
    assert "save it as UTF-8" in said.stdout
    line = before.count(b"\n")
    assert f"line {line}" in said.stdout
    assert desk.module.read_bytes() == before


ENDS = {"lf": ["\n"], "crlf": ["\r\n"], "mixed": ["\r\n", "\n", "\r\n"]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1251"])
@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
def test_reset_and_undo_leave_the_rest_of_the_file_as_it_is_to_the_byte(
    desk: Desk, encoding: str, ends: list[str]
) -> None:
    desk.hand_in(("    ### BEGIN SOLUTION\n", ""), ("    ### END SOLUTION\n", ""))
    declared = f"# -*- coding: {encoding.removesuffix('-sig')} -*-\n# \u00ad\u00a9: in the file's own letters\n"
    lines = (declared + text_of(desk).encode("ascii", "replace").decode()).split("\n")[:-1]
    mine = [f"{line}{ends[number % len(ends)]}".encode(encoding) for number, line in enumerate(lines)]
    if encoding == "utf-8-sig":
        mine = [line.removeprefix(b"\xef\xbb\xbf") for line in mine]
        mine[0] = b"\xef\xbb\xbf" + mine[0]
    desk.module.write_bytes(b"".join(mine))

    first, last = restoring.extent("\n".join(lines), "compute_alpha_bar") or (0, 0)
    above, below = b"".join(mine[:first]), b"".join(mine[last:])
    assert desk.unstatic("reset", "compute_alpha_bar").returncode == 0
    now = desk.module.read_bytes()
    assert now.startswith(above)
    assert now.endswith(below)
    assert b"raise NotImplementedError" + ends[0].encode() in now[len(above) : -len(below)]
    assert desk.unstatic("reset", "compute_alpha_bar", "--undo").returncode == 0
    now = desk.module.read_bytes()
    assert now.startswith(above)
    assert now.endswith(below)
    again = b"".join(line.rstrip() + ends[0].encode() for line in mine[first:last])
    assert now[len(above) : -len(below)] == again

    desk.unstatic("reset", "s1")
    assert (b"\r\n" in desk.module.read_bytes()) == ("\r\n" in ends)
    desk.unstatic("reset", "s1", "--undo")
    assert desk.module.read_bytes() == now


def test_what_a_stub_says_is_the_same_in_an_encoding_that_lacks_its_letters(desk: Desk) -> None:
    stub = ast.dump(ast.parse(text_of(desk)))
    desk.module.write_bytes(b"# coding: latin-1\n" + text_of(desk).encode("ascii", "backslashreplace"))
    assert desk.unstatic("reset", "q_sample").returncode == 0
    assert ast.dump(ast.parse(desk.module.read_bytes())) == stub


def test_reset_keeps_no_copy_of_a_stub_that_came_with_other_line_ends(desk: Desk) -> None:
    desk.module.write_bytes(desk.module.read_bytes().replace(b"\n", b"\r\n"))
    assert "Yours is kept" not in desk.unstatic("reset", "s1").stdout


def test_reset_and_undo_write_where_a_link_points(desk: Desk) -> None:
    desk.hand_in(("    ### BEGIN SOLUTION\n", ""), ("    ### END SOLUTION\n", ""))
    target = desk.folder / "in_my_own_repository.py"
    desk.module.rename(target)
    desk.module.symlink_to(target.name)
    target.chmod(0o600)
    mine = target.read_bytes()
    for name in ("q_sample", "s1"):
        desk.unstatic("reset", name)
        assert b"raise NotImplementedError" in target.read_bytes()
        assert desk.unstatic("reset", name, "--undo").returncode == 0
    assert desk.module.is_symlink()
    assert target.read_bytes() == mine
    assert target.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "said",
    ["[" * 100_000, "{}", "7", '[{"section": [], "exercise": {}, "copy": "s1-1.py"}, 7]'],
    ids=["nested", "empty", "number", "odd"],
)
def test_what_somebody_wrote_among_what_is_kept_is_left_alone(desk: Desk, said: str) -> None:
    kept = desk.folder / ".unstatic" / "kept"
    (kept / f"{S1.stem}-1.py").mkdir(parents=True)
    (kept / f"{S1.stem}-\u00b2.py").touch()
    (desk.folder / ".unstatic" / "resets.json").write_text(said, encoding="utf-8")
    desk.hand_in()
    assert "Nothing was reset" in desk.unstatic("reset", "--undo").stdout
    assert f"{S1.stem}-2.py" in desk.unstatic("reset", "q_sample").stdout
    assert desk.unstatic("reset", "--undo").returncode == 0
