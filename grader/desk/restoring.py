"""Stubs put back in the learner's file, one or all, and what was taken away put back again. Nothing is lost on the way.

What is put into a file is written as that is, in its encoding and with its line ends; the rest of it stays to the byte.

What is replaced is kept in `.unstatic/kept`, unless it is there already or was the stub itself; `.unstatic/resets.json`
says what was reset, one after the other, and which copy has what was there before.
"""

import ast
import io
import json
import re
import tokenize
from pathlib import Path

from grader.course import Exercise, Section, sections
from grader.desk import memory, reading
from grader.desk.memory import shown
from grader.files import replace_file
from grader.source.markers import BEGIN, END
from grader.source.stubs import NOT_PYTHON, render

Done = tuple[str, bool]
"""What to say, and whether it was done."""


def reset(what: Exercise | Section) -> Done:
    """Put a stub back, or all of a section's."""
    exercise = what if isinstance(what, Exercise) else None
    of = sections()[exercise.section] if exercise else what
    assert isinstance(of, Section)
    where = reading.where(of)
    if not of.solution.is_file() and not of.pristine.is_file():
        return f"The stubs cannot be made in this release of the course: take {where} from where you got it.", False
    data = of.stub.read_bytes() if of.stub.is_file() else b""
    if exercise and data:
        new = _with(exercise, of, data, lines_of(exercise.name, render(of)))
    else:
        new = render(of).replace("\n", _end_of_line(data)).encode()
    copy = _replace(of, new)
    said = [f"Yours is kept in {shown(copy)}"] if copy else []
    if copy:
        _remember([*_resets(), {"section": of.stem, "exercise": exercise and exercise.name, "copy": copy.name}])
    said.append(f"{exercise.name if exercise else 'Every exercise'} of {where} is a stub again.")
    return "\n".join([*said, *_still_broken(of)]), True


def undo(what: Exercise | Section | None) -> Done:
    """Take back the last reset: of all, or of those of an exercise or section. What it did not touch stays as it is now."""
    resets = _resets()
    places = [place for place, one in enumerate(resets) if what is None or _concerns(one, what)]
    if not places:
        name = "" if what is None else f" of {what.name if isinstance(what, Exercise) else reading.where(what)}"
        return f"Nothing was reset{name} that has not been taken back; what was kept is in {shown(_folder())}.", False
    last = resets[places[-1]]
    of, copy = sections()[last["section"]], _folder() / last["copy"]
    only = last["exercise"] or (what.name if isinstance(what, Exercise) else None)
    data = copy.read_bytes()
    if only:
        lines = lines_of(only, reading.decoded(data, shown(copy)))
        data = _with(of.exercises[only], of, of.stub.read_bytes(), lines)
    kept = _replace(of, data)
    if only == last["exercise"]:  # of a section's reset one exercise may be taken back alone, and the others later
        del resets[places[-1]]
    _remember(resets)
    said = [f"What was there is kept in {shown(kept)}"] if kept else []
    return "\n".join([*said, f"{only or reading.where(of)} is again as it is in {shown(copy)}."]), True


def _concerns(reset: dict, what: Exercise | Section) -> bool:
    """Whether a reset, or a part of it, was of this exercise or section."""
    if isinstance(what, Exercise):
        return reset["section"] == what.section and reset["exercise"] in (None, what.name)
    return reset["section"] == what.stem


def _resets() -> list[dict]:
    """What was reset and not taken back; of what somebody wrote into the record, nothing that cannot be."""
    try:
        found = json.loads(_record().read_text(encoding="utf-8"))
        return [one for one in found if _is_reset(one)]
    except (OSError, *memory.NOT_JSON):
        return []


def _is_reset(one: object) -> bool:
    if not isinstance(one, dict) or one.keys() != {"section", "exercise", "copy"}:
        return False
    of = next((of for stem, of in sections().items() if stem == one["section"]), None)
    known = of is not None and one["exercise"] in (None, *of.exercises)
    copy = one["copy"]
    return known and isinstance(copy, str) and Path(copy).name == copy and (_folder() / copy).is_file()


def _remember(resets: list[dict]) -> None:
    replace_file(_record(), json.dumps(resets, indent=1).encode())


def _replace(of: Section, data: bytes) -> Path | None:
    """Write the learner's file anew; says where what was there is kept."""
    changed = of.stub.is_file() and of.stub.read_bytes() != data
    copy = _keep(of) if changed else None
    replace_file(of.stub, data, named=True)
    return copy


def _keep(of: Section) -> Path | None:
    """Where the learner's file is kept as it is now; None if it is the untouched stub."""
    data = of.stub.read_bytes()
    if (of.solution.is_file() or of.pristine.is_file()) and data.replace(b"\r\n", b"\n") == render(of).encode():
        return None
    copies = _copies(of)
    if same := [copy for copy in copies if copy.is_file() and copy.read_bytes() == data]:
        return same[-1]
    number = max([0, *map(_number, copies)]) + 1
    copy = _folder() / f"{of.stem}-{number}.py"
    replace_file(copy, data)
    return copy


def _record() -> Path:
    return memory.STATE / "resets.json"


def _folder() -> Path:
    return memory.STATE / "kept"


def _copies(of: Section) -> list[Path]:
    found = [path for path in _folder().glob(f"{of.stem}-*.py") if path.stem.rpartition("-")[2].isdecimal()]
    return sorted(found, key=_number)


def _number(copy: Path) -> int:
    return int(copy.stem.rpartition("-")[2])


def _still_broken(of: Section) -> list[str]:
    """What still keeps the file from being read, where something does."""
    try:
        reading.compiled(of)
    except (reading.Unreadable, *NOT_PYTHON) as error:
        problem = reading.explained(of, error)
        line = f"line {problem.line}: " if problem.line else ""
        return [f"The file still cannot be read: {line}{problem.text}"]
    return []


# -------------------------------------------------------------------------------------- an exercise's lines in a text


def _with(exercise: Exercise, of: Section, data: bytes, new: list[str]) -> bytes:
    """The learner's file with these lines for an exercise's; where it has none, they are put where they belong.

    Raises:
        Unreadable: it is no text.
    """
    text, end = reading.decoded(data, reading.where(of)), _end_of_line(data)
    encoding = tokenize.detect_encoding(io.BytesIO(data).readline)[0]
    lines, new = list(io.StringIO(data.decode(encoding), newline="")), [line + end for line in new]
    names = list(of.exercises)
    if found := extent(text, exercise.name):
        lines[slice(*found)] = new
    elif found := next(filter(None, (extent(text, name) for name in names[names.index(exercise.name) + 1 :])), None):
        lines[found[0] : found[0]] = [*new, end, end]
    else:
        lines = ["".join(lines).rstrip("\r\n"), end, end, end, *new]
    return "".join(lines).encode(encoding, "backslashreplace")  # Greek in a docstring is the same text then


def _end_of_line(data: bytes) -> str:
    """How most lines of a file end."""
    return "\r\n" if 2 * data.count(b"\r\n") > data.count(b"\n") else "\n"


def lines_of(name: str, source: str) -> list[str]:
    """The lines of an exercise, without the markers; none if it is not there."""
    found = extent(source, name)
    lines = source.split("\n")[found[0] : found[1]] if found else []
    return [line for line in lines if line.strip() not in (BEGIN, END)]


def extent(source: str, name: str) -> tuple[int, int] | None:
    """The lines, as a slice, of the last function or class of this name at the margin: the one that counts. None if there is none.

    In a text that is no Python, they are told by how they are indented.
    """
    try:
        body = ast.parse(source).body
    except NOT_PYTHON:
        return _extent_by_margin(source.split("\n"), name)
    nodes = [node for node in body if isinstance(node, reading.Definition) and node.name == name]
    if not nodes:
        return None
    first = min([nodes[-1].lineno, *(decorator.lineno for decorator in nodes[-1].decorator_list)])
    return first - 1, nodes[-1].end_lineno or first


def _extent_by_margin(lines: list[str], name: str) -> tuple[int, int] | None:
    begins = re.compile(rf"(?:async +)?(?:def|class) +{name}\b")
    starts = [number for number, line in enumerate(lines) if begins.match(line)]
    if not starts:
        return None
    first = starts[-1]
    last = first + 1
    while last < len(lines) and (not lines[last].strip() or lines[last][0] in " \t)]}#"):
        last += 1
    while last > first + 1 and (not lines[last - 1].strip() or lines[last - 1][0] == "#"):
        last -= 1
    while first and lines[first - 1].startswith("@"):
        first -= 1
    return first, last
