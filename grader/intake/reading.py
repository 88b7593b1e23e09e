"""What a learner hands in, read into sections of source text: generous to honest people, strict about paths.

A submission is a section's module (`s1_forward_reverse.py`), a section's notebook (`s1_forward_reverse.ipynb`), or a folder
or zip archive of those. `read` never raises for what was handed in: what cannot be read becomes a sentence. Nothing is run.
`read_all` takes class downloads too (`grader.intake.classes`), and gives one submission a student.

Where a section is looked for: at the top; where no section lies there, in `exercises/`, the learner's desk in a copy of the
whole course, or else in the only folder or archive that there is; and so on down. Which file is a section's: the one with
its name, however capitalised; else the only one whose name contains the section's, as `s1-forward-reverse (1).py` does.
Where no name tells, the only module or notebook that defines exercises of exactly this section.
"""

import hashlib
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from grader.course import sections
from grader.intake import classes, mistaken
from grader.intake.archives import ARCHIVE_BYTES, CLASS_BYTES, CLASS_ENTRIES, Archive
from grader.intake.names import base_of, is_junk, nearness, suffix_of
from grader.intake.sources import Source, finish, load
from grader.intake.syntax import Compiler
from grader.intake.trees import Below, Folder, Kind, Refused, SingleFile, Tree, read_file, require_regular
from grader.intake.visible import one_line

DEPTH = 4
"""How many folders down a section is looked for."""
ARCHIVES = 2
"""So many archives within archives are opened."""
NOTES = 20
LISTED = 8
"""Files named in a note; the others are counted."""
CANDIDATES = 20
"""So many files whose names tell nothing are looked into."""


@dataclass(frozen=True)
class Submission:
    """What one learner handed in.

    Attributes:
        name: the file's stem, or the folder's or archive's name.
        sections: the sections that can be graded, by stem.
        problems: why a section cannot be read, by stem, a sentence each; under None, why nothing can.
        notes: what its sender may want to know: files not used, a notebook beside a module, cells left out.
        path: where it lies by itself; None if it is a part of an archive.
    """

    name: str
    sections: dict[str, Source] = field(default_factory=dict)
    problems: dict[str | None, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    path: Path | None = None


def fingerprint(submission: Submission, stem: str) -> str:
    """What the verdicts on a section depend on, of all that was handed in: its content, or the reason why it has none."""
    if stem in submission.sections:
        source = submission.sections[stem]
        return hashlib.sha256(f"{source.kind} {source.digest}".encode()).hexdigest()
    reason = submission.problems.get(stem, submission.problems.get(None, ""))
    return hashlib.sha256(f"unread {reason}".encode()).hexdigest()


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


def _read(name: str, path: Path | None, tree: Callable[[], Tree], notes: Sequence[str] = ()) -> Submission:
    submission = Submission(one_line(name), notes=list(notes), path=path)
    try:
        with Compiler() as compiler:
            _read_sections(tree(), submission, compiler)
    except Refused as refusal:
        submission.problems[None] = str(refusal)
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        submission.problems[None] = _unreadable(path.name if path else name, error)
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
    found = [_class(path) for path in given]
    if all(found):
        return _unique(_of_downloads(list(given), found))
    return _unique([read(path) for path in given.values()])


def _class(path: Path) -> list[Submission]:
    """The submissions in a class download, one a student; none if it is something else, or cannot be read."""
    try:
        mode = os.lstat(path).st_mode
        if stat.S_ISDIR(mode):
            tree: Tree = Folder(path)
        elif stat.S_ISREG(mode) and path.suffix.lower() == ".zip":
            tree = Archive(read_file(str(path), CLASS_BYTES), one_line(path.name), CLASS_ENTRIES)
        else:
            return []
        found = classes.students(tree)
    except (Refused, OSError, ValueError):  # told when it is read as one submission
        return []
    names = [student.name for student in found]
    inside = path if stat.S_ISDIR(mode) else None
    return [
        _read(
            f"{one.name} ({one.number})" if names.count(one.name) > 1 and one.number else one.name,
            inside / one.place if inside and one.place else None,
            partial(_same, one.tree),
            one.notes,
        )
        for one in found
    ]


def _of_downloads(paths: Sequence[Path], found: list[list[Submission]]) -> list[Submission]:
    """The submissions of class downloads; who is in several of them is told apart by theirs, as `ps1/Ada Lovelace`."""
    often = Counter(name for group in found for name in {one.name for one in group})
    return [
        replace(one, name=f"{one_line(path.stem)}/{one.name}") if often[one.name] > 1 else one
        for path, group in zip(paths, found, strict=True)
        for one in group
    ]


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
            return one_line("/".join(parts[-count:]))
    return one_line("/".join(parts[-2:]))


def _unreadable(name: str, error: OSError | ValueError) -> str:
    said = error.strerror if isinstance(error, OSError) else str(error)
    return f"{one_line(name)} cannot be read: {(said or type(error).__name__).lower()}"


def _tree(path: Path) -> Tree:
    mode, shown, suffix = os.lstat(path).st_mode, one_line(path.name), path.suffix.lower()
    if stat.S_ISDIR(mode):
        return Folder(path)
    require_regular(mode, shown)
    if suffix == ".zip":
        return Archive(read_file(str(path), ARCHIVE_BYTES), shown)
    if not suffix_of(path.name):
        known = mistaken.told([path.name])
        raise Refused(known or f"{shown} is neither a module (.py), a notebook (.ipynb), a folder nor a zip archive")
    return SingleFile(path)


def _read_sections(tree: Tree, submission: Submission, compiler: Compiler) -> None:
    """Fill in the sections, problems and notes of `submission`.

    Raises:
        Refused: there is no section in the tree.
    """
    place: tuple[str, ...] = ()
    reason, archives = "", 0
    seen: list[str] = []
    for _ in range(DEPTH + ARCHIVES):
        entries = {name: kind for name, kind in tree.entries(place).items() if not is_junk(name)}
        reader = _Reader(tree, place, entries, submission, compiler)
        if reader.by_name() | reader.by_content():
            reader.note_unused()
            return
        reason = reader.reason or reason
        seen += [f"{'/'.join((*place, name))}{_MARKS[kind]}" for name, kind in entries.items()]
        folders = [name for name, kind in entries.items() if kind == "folder"]
        zips = [name for name, kind in entries.items() if kind == "file" and name.lower().endswith(".zip")]
        if "exercises" in folders:
            place += ("exercises",)
        elif len(folders) == 1 and not zips:
            place += (folders[0],)
        elif len(zips) == 1 and not folders and archives < ARCHIVES:
            tree, place, archives = (
                Archive(tree.read((*place, zips[0]), ARCHIVE_BYTES), one_line(zips[0])),
                (),
                archives + 1,
            )
        elif len(folders) > 1 and (next_places := _apart(tree, place, folders, submission)):
            _read_several(tree, next_places, submission, compiler)
            return
        else:
            break
    raise Refused(reason or _nothing_found(submission.name, seen))


def _nothing_found(name: str, seen: list[str]) -> str:
    there = ", ".join(one_line(one, 40) for one in seen[:4]) + (f" and {len(seen) - 4} more" if len(seen) > 4 else "")
    what = f" (there {'is' if len(seen) == 1 else 'are'} {there})" if seen else ""
    advice = [mistaken.told(seen)]
    if not all(mistaken.kind_of(one) for one in seen) or not seen:
        advice.append(f"name each file for its section, as in {_example()}")
    return f"{one_line(name, 60)} holds no section of the course{what}; {'; '.join(filter(None, advice))}"


def _apart(tree: Tree, place: tuple[str, ...], folders: list[str], submission: Submission) -> list[tuple[str, ...]]:
    """Of several folders those to go on with: the only one that holds something, each that holds sections of its own, the latest attempt.

    Raises:
        Refused: several hold the same section.
    """
    look = classes.Look(tree)
    full = {name: stems for name in folders if (stems := look.stems((*place, name), DEPTH)) is not None}
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
    return (*(int(part) for part in re.findall(r"\d{1,9}", name)), name) if name.isascii() else (name,)


def _read_several(tree: Tree, places: list[tuple[str, ...]], submission: Submission, compiler: Compiler) -> None:
    for place in places:
        _read_sections(Below(tree, place), submission, compiler)


def _example() -> str:
    return f"{next(iter(sections()))}.py"


class _Reader:
    """Reads the sections that lie in one folder of a tree."""

    def __init__(
        self,
        tree: Tree,
        place: tuple[str, ...],
        entries: dict[str, Kind],
        submission: Submission,
        compiler: Compiler,
    ) -> None:
        self._tree, self._place, self._entries = tree, place, entries
        self._submission, self._compiler = submission, compiler
        self._explained: set[str] = set()
        self.reason = ""
        """Why the only module or notebook here is no section, where that is so."""

    def by_name(self) -> bool:
        """Read the sections that file names tell of; False if there is none."""
        files = [name for name, kind in self._entries.items() if kind != "folder" and suffix_of(name)]
        told = False
        for stem in sections():
            if stem in self._submission.sections:
                continue
            modules = _best([name for name in files if suffix_of(name) == ".py"], stem)
            books = _best([name for name in files if suffix_of(name) == ".ipynb"], stem)
            names = modules or books
            told = told or bool(names)
            if len(names) > 1:
                both = ", ".join(map(one_line, names[:LISTED]))
                self._submission.problems[stem] = f"{both} could each be {stem}; keep one, called {stem}.py"
            elif names and (answered := self._answered_instead(stem, names[0], files)):
                self._note(
                    f"{one_line(names[0])} was not read: nothing is written in it, and in {one_line(answered)} is"
                )
                self._explained.update((names[0], answered))
                self._read(stem, answered)
                continue
            elif names:
                self._read(stem, names[0])
            if modules and books:
                self._note(
                    f"{one_line(modules[0])} was read and {one_line(books[0])} was not: a module wins over a notebook"
                )
            self._explained.update(modules + books)
        return told

    def _answered_instead(self, stem: str, name: str, files: list[str]) -> str:
        """The only other file of a section in which something is written, where nothing is in the one called `name`; else "".

        Who works in a notebook hands in the stub that lies beside it too.
        """
        others = [other for other in files if other != name and nearness(other, stem) is not None]
        if not others or len(others) > CANDIDATES or not self._is_left(stem, name):
            return ""
        answered = [other for other in others if self._is_answered(stem, other)]
        return answered[0] if len(answered) == 1 else ""

    def _is_left(self, stem: str, name: str) -> bool:
        """Whether a file is as the stub was, or empty."""
        text = self._text(name)
        return text is not None and not _answers(text, stem) and (_LEFT.search(text) is not None or not text.strip())

    def _is_answered(self, stem: str, name: str) -> bool:
        text = self._text(name)
        return text is not None and bool(_answers(text, stem))

    def _text(self, name: str) -> str | None:
        """A file's text; None if it cannot be read, which is told where it is read as a section."""
        try:
            return load(self._tree, (*self._place, name), self._compiler).text
        except (Refused, OSError):
            return None

    def _read(self, stem: str, name: str) -> None:
        try:
            source = load(self._tree, (*self._place, name), self._compiler)
            source = finish(source, stem, self._compiler)
            self._submission.sections[stem] = source
            if source.note:
                self._note(source.note)
            if source.kind == "module" and not source.text.strip():
                self._note(f"{one_line(name)} is an empty file")
        except Refused as refusal:
            self._submission.problems[stem] = str(refusal)
        except OSError as error:
            self._submission.problems[stem] = _unreadable(name, error)
        else:
            lost = [cell.note for cell in source.unread if not cell.defines & set(sections()[stem].exercises)]
            self._submission.notes.extend(f"{one_line(name)}: {note}" for note in lost)
            if (source.kind == "notebook") != (suffix_of(name) == ".ipynb"):
                self._note(f"{one_line(name)} holds a {source.kind}, and was read as one")
            if name.lower() != f"{stem}{suffix_of(name)}".lower():
                self._note(f"{one_line(name)} was read as {stem}")

    def by_content(self) -> bool:
        """Read modules and notebooks whose names tell nothing as the sections whose exercises they define; False if none is one.

        A section is read so where exactly one of them defines exercises of it, and of no other.
        """
        files = [name for name, kind in self._entries.items() if kind != "folder" and suffix_of(name)]
        rest = [name for name in files if name not in self._explained and not _steers(name)]
        if not rest or len(rest) > CANDIDATES:
            return False
        found: dict[str, list[str]] = {}
        for name in rest:
            try:
                source = load(self._tree, (*self._place, name), self._compiler)
            except (Refused, OSError) as refusal:
                self.reason = str(refusal) if isinstance(refusal, Refused) else _unreadable(name, refusal)
                continue
            stems = _sections_defined(source.text)
            if len(stems) == 1:
                found.setdefault(stems[0], []).append(name)
            else:
                what = f"exercises of {' and '.join(stems)}" if stems else "no exercise of the course"
                self.reason = f"{one_line(name)} defines {what}; name each file for its section, as in {_example()}"
        done = False
        for stem, names in found.items():
            if stem in self._submission.sections or stem in self._submission.problems:
                continue
            done = True
            if len(names) == 1:
                self._read(stem, names[0])
                self._explained.add(names[0])
            else:
                both = ", ".join(map(one_line, names[:LISTED]))
                self._submission.problems[stem] = f"{both} each define exercises of {stem}; keep one, called {stem}.py"
        return done

    def note_unused(self) -> None:
        rest = [one_line(name) + _MARKS[kind] for name, kind in self._entries.items() if name not in self._explained]
        if rest:
            more = f" and {len(rest) - LISTED} more" if len(rest) > LISTED else ""
            self._note(f"not used: {', '.join(rest[:LISTED])}{more}")

    def _note(self, sentence: str) -> None:
        self._submission.notes.append(sentence)


_MARKS = {"file": "", "folder": "/", "link": " (a link)", "other": " (not a file)"}


def _best(names: list[str], stem: str) -> list[str]:
    """Those of `names` that come nearest to the section's own; none if no name contains it."""
    ranked: dict[int, list[str]] = {}
    for name in names:
        if (rank := nearness(name, stem)) is not None:
            ranked.setdefault(rank, []).append(name)
    return ranked[min(ranked)] if ranked else []


_STEERS = {"conftest", "sitecustomize", "usercustomize", "setup", "noxfile"}


def _steers(name: str) -> bool:
    """Whether a file's name is that of one which is for programs, not for the course."""
    return base_of(name).lower() in _STEERS or base_of(name).lower().startswith("test_")


_PIECE = re.compile(r"^(?=(?:async +)?(?:def|class) )", re.MULTILINE)
_LEFT = re.compile(r"^[ \t]+raise NotImplementedError\b", re.MULTILINE)
_DEFINITION = re.compile(r"^(?:async +)?(?:def|class) +(\w+)", re.MULTILINE)


def _answers(text: str, stem: str) -> list[str]:
    """The exercises of a section that `text` defines, and does not leave as the stub does; by pattern."""
    pieces = {found[1]: piece for piece in _PIECE.split(text) if (found := _DEFINITION.match(piece))}
    return [name for name in sections()[stem].exercises if name in pieces and not _LEFT.search(pieces[name])]


def _sections_defined(text: str) -> list[str]:
    """The sections of which `text` defines exercises. By pattern, so that a syntax error elsewhere does not matter."""
    defined = set(_DEFINITION.findall(text))
    return [stem for stem, section in sections().items() if defined & set(section.exercises)]
