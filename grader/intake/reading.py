"""What a learner hands in, read into sections of source text: generous to honest people, strict about paths.

A submission is a section's module (`s1_forward_reverse.py`), a section's notebook (`s1_forward_reverse.ipynb`), or a folder
or zip archive of those. `read` never raises for what was handed in: what cannot be read becomes a sentence. Nothing is run.
`read_all` takes class downloads too (`grader.intake.classes`), and gives one submission a student.

Where a section is looked for: at the top; where no section lies there, in `exercises/`, the learner's desk in a copy of the
whole course, or else in the only folder or archive that there is; and so on down. Which file of a folder is a section's is
`grader.intake.choosing`'s.
"""

import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from grader.intake import classes, mistaken
from grader.intake.archives import ARCHIVE_BYTES, Archive
from grader.intake.choosing import LISTED, MARKS, FolderReader, example, unreadable
from grader.intake.downloads import Download, not_read
from grader.intake.looking import Look
from grader.intake.names import base_of, is_junk, suffix_of
from grader.intake.submission import NOTHING, Submission
from grader.intake.syntax import Compiler
from grader.intake.trees import Below, Folder, Refused, SingleFile, Tree, read_file, require_regular
from grader.intake.visible import one_line

DEPTH = 4
"""How many folders down a section is looked for."""
ARCHIVES = 2
"""So many archives within archives are opened."""
NOTES = 20
LONGEST_NAME = 1000
"""Of a submission: the names of a group can be some hundred characters, and by it people are found on the roster."""


def read(path: Path, name: str = "") -> Submission:
    """Read what one learner handed in, at `path`; whatever is wrong with it is told in the submission's `problems`.

    Args:
        path: where it lies.
        name: what the submission is called, if not as the path is.

    Raises:
        CannotCompile: this machine does not let a process be started, which is no fault of the submission's.
    """
    path = Path(os.path.abspath(path))  # gives `.` a name, and follows no link
    return _read(name or _name(path), path, lambda: _tree(path))


def _read(
    name: str,
    path: Path | None,
    tree: Callable[[], Tree],
    notes: Sequence[str] = (),
    faults: Sequence[str] = (),
    told_by: tuple[str, ...] = (),
) -> Submission:
    submission = Submission(one_line(name, LONGEST_NAME), notes=list(notes), path=path, told_by=told_by)
    try:
        with Compiler() as compiler:
            _read_sections(tree(), submission, compiler)
    except Refused as refusal:
        submission.problems[None] = str(refusal)
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        submission.problems[None] = unreadable(path.name if path else name, error)
    submission.notes[:0] = not_read([one for one in faults if one not in submission.problems.values()])
    del submission.notes[NOTES:]
    return submission


def _name(path: Path) -> str:
    if suffix_of(path.name):
        return base_of(path.name)
    return path.stem if path.suffix.lower() == ".zip" else path.name


def read_all(paths: Sequence[Path]) -> list[Submission]:
    """Read several submissions, or class downloads; those of one name are told apart by the folders they lie in.

    What is given twice, as by two patterns, is one. A class download is one only where nothing but such is given: beside others, whoever imitates one would hand in for others.
    """
    given = {Path(os.path.abspath(path)): path for path in paths}
    found: list[list[Submission]] = []
    refused: dict[Path, str] = {}
    for path in given:
        try:
            found.append(_class(path))
        except Refused as refusal:
            found.append([])
            refused[path] = str(refusal)
    if all(found):
        return _unique(_of_downloads(list(given), found))
    if not all(one or path in refused for path, one in zip(given, found, strict=True)):
        refused = {}  # beside what is none, this is one learner's too, and is told what holds of that
    elif len(given) > 1:  # folders that are given one by one are learners'
        refused = {path: said for path, said in refused.items() if not path.is_dir()}
    return _unique([_refused(path, refused[at]) if at in refused else read(path) for at, path in given.items()])


def _class(path: Path) -> list[Submission]:
    """The submissions in a class download, one a student; none if it is something else.

    Raises:
        Refused: it may be one, and cannot be read.
    """
    try:
        mode = os.lstat(path).st_mode
        if stat.S_ISDIR(mode):
            tree: Tree = Folder(path)
        elif stat.S_ISREG(mode) and path.suffix.lower() == ".zip":
            tree = Download(path)
        else:
            return []
        found = classes.students(tree)
        refused = tree.refused(found) if isinstance(tree, Download) and found else [[] for _ in found]
    except (OSError, ValueError):  # told when it is read as one submission
        return []
    names = [student.name for student in found]
    inside = path if stat.S_ISDIR(mode) else None
    return [
        _read(
            f"{one.name} ({one.number})" if names.count(one.name) > 1 and one.number else one.name,
            inside / one.place if inside and one.place else None,
            partial(_same, one.tree),
            one.notes,
            faults,
            one.told_by,
        )
        for one, faults in zip(found, refused, strict=True)
    ]


def _refused(path: Path, sentence: str) -> Submission:
    name = one_line(_name(Path(os.path.abspath(path))), LONGEST_NAME)
    return Submission(name, problems={None: sentence}, path=path)


def _of_downloads(paths: Sequence[Path], found: list[list[Submission]]) -> list[Submission]:
    """The submissions of class downloads; who is in several of them is told apart by theirs, as `ps1/Ada Lovelace`."""
    often = Counter(name for group in found for name in {one.name for one in group})
    return [
        replace(one, name=f"{called}/{one.name}") if often[one.name] > 1 else one
        for called, group in zip(_downloads_called(paths), found, strict=True)
        for one in group
    ]


def _downloads_called(paths: Sequence[Path]) -> list[str]:
    """What each download is called.

    Of one name, as platforms give each week's, with as many of the folders above as tell it from the others, and with its ending
    where it lies beside what it was unpacked to.
    """

    def called(path: Path, count: int, ending: bool) -> str:
        last = path.name if ending else _name(path)
        return "/".join(map(one_line, (*path.parts[-count:-1], last)))

    most = max(len(path.parts) for path in paths)
    ways = [[called(path, count, ending) for path in paths] for ending in (False, True) for count in range(1, most + 1)]
    return [next((way[at] for way in ways if way.count(way[at]) == 1), ways[-1][at]) for at in range(len(paths))]


def _same(tree: Tree) -> Tree:
    return tree


def _unique(found: list[Submission]) -> list[Submission]:
    """The submissions with names of their own: of one name, by the folders they lie in, or by how their files end."""
    names = [one.name for one in found]
    paths = [one.path for one in found]
    unique = [_told_apart(one, [path for path in paths if path], names) for one in found]
    again = [
        f"{name} ({unique[: place + 1].count(name)})" if unique.count(name) > 1 else name
        for place, name in enumerate(unique)
    ]
    return [replace(one, name=name) for one, name in zip(found, again, strict=True)]


def _told_apart(one: Submission, paths: list[Path], names: list[str]) -> str:
    """The name, with as many of the folders above it as tell it from the others of that name."""
    if names.count(one.name) == 1 or one.path is None:
        return one.name
    parts = one.path.parts
    for count in range(2, len(parts)):
        if sum(path.parts[-count:] == parts[-count:] for path in paths) == 1:
            return one_line("/".join(parts[-count:]), LONGEST_NAME)
    return one_line("/".join(parts[-2:]), LONGEST_NAME)


def _tree(path: Path) -> Tree:
    mode, shown, suffix = os.lstat(path).st_mode, one_line(path.name), path.suffix.lower()
    if stat.S_ISDIR(mode):
        return Folder(path)
    require_regular(mode, shown)
    if suffix == ".zip":
        return Archive(read_file(str(path), ARCHIVE_BYTES), shown, path=path)
    if not suffix_of(path.name):
        known = mistaken.told([path.name])
        raise Refused(known or f"{shown} is neither a module (.py), a notebook (.ipynb), a folder nor a zip archive")
    return SingleFile(path)


def _read_sections(tree: Tree, submission: Submission, compiler: Compiler) -> None:
    """Fill in the sections, problems and notes of `submission`.

    Raises:
        Refused: there is no section in the tree.
    """
    given = tree
    place: tuple[str, ...] = ()
    reason, archives = "", 0
    seen: list[str] = []
    for _ in range(DEPTH + ARCHIVES):
        entries = {name: kind for name, kind in tree.entries(place).items() if not is_junk(name)}
        reader = FolderReader(tree, place, entries, submission, compiler)
        if reader.by_name() | reader.by_content():
            reader.note_unused()
            return
        reason = reader.reason or reason
        seen += [f"{'/'.join((*place, name))}{MARKS[kind]}" for name, kind in entries.items()]
        folders = [name for name, kind in entries.items() if kind == "folder"]
        zips = [name for name, kind in entries.items() if kind == "file" and name.lower().endswith(".zip")]
        if "exercises" in folders:
            place += ("exercises",)
        elif len(folders) == 1 and not zips:
            place += (folders[0],)
        elif len(zips) == 1 and not folders and archives < ARCHIVES:
            at = (*place, zips[0])
            inner = Archive(tree.read(at, ARCHIVE_BYTES), one_line(zips[0]), path=tree.on_disk(at))
            tree, place, archives = inner, (), archives + 1
        elif len(folders) > 1 and (next_places := _apart(tree, place, folders, submission)):
            _read_several(tree, next_places, submission, compiler)
            return
        else:
            break
    if not isinstance(given, Archive) and Look(given).is_empty((), DEPTH):
        raise Refused(NOTHING)
    raise Refused(reason or nothing_found(submission.name, seen))


def nothing_found(name: str, seen: Sequence[str] = ()) -> str:
    """A sentence for who handed in no section: what is there, and what to do."""
    there = ", ".join(one_line(one, 40) for one in seen[:4]) + (f" and {len(seen) - 4} more" if len(seen) > 4 else "")
    what = f" (there {'is' if len(seen) == 1 else 'are'} {there})" if seen else ""
    advice = [mistaken.told(seen)]
    if not all(mistaken.kind_of(one) for one in seen) or not seen:
        advice.append(f"name each file for its section, as in {example()}")
    return f"{one_line(name, 60)} holds no section of the course{what}; {'; '.join(filter(None, advice))}"


def _apart(tree: Tree, place: tuple[str, ...], folders: list[str], submission: Submission) -> list[tuple[str, ...]]:
    """Of several folders those to go on with: the only one that holds something, each that holds sections of its own, the latest attempt.

    Raises:
        Refused: several hold the same section, or what counts cannot be looked into.
    """
    full, closed = Look(tree).into(place, folders, DEPTH)
    attempts = sorted((*full, *closed), key=_by_number)
    if closed and (not full or (attempts[-1] in closed and all(map(classes.ATTEMPT.fullmatch, attempts)))):
        raise Refused(closed.get(attempts[-1]) or next(iter(closed.values())))
    submission.notes.extend(f"not looked into: {why}" for why in closed.values())
    told = [stem for stems in full.values() for stem in stems]
    if len(full) > 1 and (len(set(told)) < len(told) or not all(full.values())):
        if not all(classes.ATTEMPT.fullmatch(name) for name in full):
            several = ", ".join(one_line(name, 40) for name in list(full)[:4])
            raise Refused(
                f"{one_line(submission.name, 60)} holds no section of its own, and several folders that do ({several}); "
                f"a class download is graded by itself, of one learner's folders keep one"
            )
        *earlier, last = sorted(full, key=_by_number)
        submission.notes.append(f"not used: {', '.join(map(one_line, earlier[:LISTED]))}, as there is a later attempt")
        return [(*place, last)]
    return [(*place, name) for name in full]


def _by_number(name: str) -> tuple:
    return (tuple(int(part) for part in re.findall(r"\d{1,9}", name)) if name.isascii() else (), name)


def _read_several(tree: Tree, places: list[tuple[str, ...]], submission: Submission, compiler: Compiler) -> None:
    for place in places:
        _read_sections(Below(tree, place), submission, compiler)
