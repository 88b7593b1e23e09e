"""What a learner hands in, read into sections of source text: generous to honest people, strict about paths.

A submission is a section's module (`s1_forward_reverse.py`), a section's notebook (`s1_forward_reverse.ipynb`), or a folder
or zip archive of those. `read` never raises for what was handed in: what cannot be read becomes a sentence. Nothing is run.

Where a section is looked for: at the top; where no section lies there, in `exercises/`, the learner's desk in a copy of the
whole course, or else in the only folder there is; and so on down. Which file is a section's: the one with its name, however
capitalised; else the only one whose name contains the section's, as `s1_forward_reverse (1).py` does. Where no name tells,
the only module or notebook there is, if it defines exercises of exactly one section.
"""

import hashlib
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from grader.course import sections
from grader.intake.archives import ARCHIVE_BYTES, Archive
from grader.intake.sources import Source, finish, load, suffix_of
from grader.intake.syntax import Compiler
from grader.intake.trees import Folder, Kind, Refused, SingleFile, Tree, read_file, require_regular
from grader.intake.visible import one_line

DEPTH = 4
"""How many folders down a section is looked for."""
NOTES = 20
LISTED = 8
"""Files named in a note; the others are counted."""

_JUNK = {"__MACOSX", "__pycache__", "Thumbs.db", "desktop.ini"}


@dataclass(frozen=True)
class Submission:
    """What one learner handed in.

    Attributes:
        name: the file's stem, or the folder's or archive's name.
        sections: the sections that can be graded, by stem.
        problems: why a section cannot be read, by stem, a sentence each; under None, why nothing can.
        notes: what its sender may want to know: files not used, a notebook beside a module, cells left out.
    """

    name: str
    sections: dict[str, Source] = field(default_factory=dict)
    problems: dict[str | None, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def fingerprint(submission: Submission, stem: str) -> str:
    """What the verdicts on a section depend on, of all that was handed in: its content, or the reason why it has none."""
    if stem in submission.sections:
        source = submission.sections[stem]
        return hashlib.sha256(f"{source.kind} {source.digest}".encode()).hexdigest()
    reason = submission.problems.get(stem, submission.problems.get(None, ""))
    return hashlib.sha256(f"unread {reason}".encode()).hexdigest()


def read(path: Path) -> Submission:
    """Read what lies at `path`; whatever is wrong with it is told in the submission's `problems`.

    Raises:
        RuntimeError: this machine does not let a process be started, which is no fault of the submission's.
    """
    path = Path(os.path.abspath(path))  # gives `.` a name, and follows no link
    submission = Submission(one_line(path.stem if path.suffix.lower() in (".py", ".ipynb", ".zip") else path.name))
    try:
        tree = _tree(path)
        with Compiler() as compiler:
            _read_sections(tree, submission, compiler)
    except Refused as refusal:
        submission.problems[None] = str(refusal)
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        submission.problems[None] = _unreadable(path.name, error)
    del submission.notes[NOTES:]
    return submission


def read_all(paths: Sequence[Path]) -> list[Submission]:
    """Read several submissions; those of one name are told apart by the folders they lie in, or by how their files end."""
    found = [read(path) for path in paths]
    names = [one.name for one in found]
    unique = [_told_apart(path, name, names) for path, name in zip(paths, names, strict=True)]
    again = [
        f"{name} ({unique[: place + 1].count(name)})" if unique.count(name) > 1 else name
        for place, name in enumerate(unique)
    ]
    return [replace(one, name=name) for one, name in zip(found, again, strict=True)]


def _told_apart(path: Path, name: str, names: list[str]) -> str:
    if names.count(name) == 1:
        return name
    path = Path(os.path.abspath(path))
    return one_line("/".join((path.parent.name, path.name)))


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
        raise Refused(f"{shown} is neither a module (.py), a notebook (.ipynb), a folder nor a zip archive")
    return SingleFile(path)


def _read_sections(tree: Tree, submission: Submission, compiler: Compiler) -> None:
    """Fill in the sections, problems and notes of `submission`.

    Raises:
        Refused: there is no section in the tree.
    """
    reason = f"{submission.name} holds no section of the course; name each file for its section, as in {_example()}"
    place: tuple[str, ...] = ()
    for _ in range(DEPTH):
        entries = {name: kind for name, kind in tree.entries(place).items() if not _is_junk(name)}
        reader = _Reader(tree, place, entries, submission, compiler)
        if reader.by_name() or reader.by_content():
            reader.note_unused()
            return
        reason = reader.reason or reason
        folders = [name for name, kind in entries.items() if kind == "folder"]
        if "exercises" not in folders and len(folders) != 1:
            break
        place += ("exercises" if "exercises" in folders else folders[0],)
    raise Refused(reason)


def _example() -> str:
    return f"{next(iter(sections()))}.py"


def _is_junk(name: str) -> bool:
    return name.startswith(".") or name in _JUNK


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
            modules = _best([name for name in files if suffix_of(name) == ".py"], stem)
            books = _best([name for name in files if suffix_of(name) == ".ipynb"], stem)
            names = modules or books
            told = told or bool(names)
            if len(names) > 1:
                both = ", ".join(map(one_line, names[:LISTED]))
                self._submission.problems[stem] = f"{both} could each be {stem}; keep one, called {stem}.py"
            elif names:
                self._read(stem, names[0])
            if modules and books:
                self._note(
                    f"{one_line(modules[0])} was read and {one_line(books[0])} was not: a module wins over a notebook"
                )
            self._explained.update(modules + books)
        return told

    def _read(self, stem: str, name: str) -> None:
        try:
            source, notes = load(self._tree, (*self._place, name), self._compiler)
            self._submission.sections[stem] = finish(source, stem, self._compiler)
        except Refused as refusal:
            self._submission.problems[stem] = str(refusal)
        except OSError as error:
            self._submission.problems[stem] = _unreadable(name, error)
        else:
            self._submission.notes.extend(notes)
            if name.lower() != f"{stem}{suffix_of(name)}":
                self._note(f"{one_line(name)} was read as {stem}")

    def by_content(self) -> bool:
        """Read the only module or notebook here as the section whose exercises it defines; False if that is none."""
        files = [name for name, kind in self._entries.items() if kind != "folder" and suffix_of(name)]
        if len(files) != 1:
            return False
        name = files[0]
        try:
            source, _ = load(self._tree, (*self._place, name), self._compiler)
        except Refused as refusal:
            self.reason = str(refusal)
            return False
        stems = _sections_defined(source.text)
        if len(stems) != 1:
            what = f"exercises of {' and '.join(stems)}" if stems else "no exercise of the course"
            self.reason = f"{one_line(name)} defines {what}; name each file for its section, as in {_example()}"
            return False
        self._read(stems[0], name)
        self._explained.add(name)
        return True

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
    wanted = re.compile(rf"(?<![a-z0-9]){re.escape(stem.lower())}(?![a-z0-9])")
    ranked: dict[int, list[str]] = {}
    for name in names:
        base = name[: -len(suffix_of(name))]
        if wanted.search(base.lower()) and not base.lower().startswith("test_"):
            rank = 0 if base == stem else 1 if base.lower() == stem.lower() else 2
            ranked.setdefault(rank, []).append(name)
    return ranked[min(ranked)] if ranked else []


_DEFINITION = re.compile(r"^(?:async +)?(?:def|class) +(\w+)", re.MULTILINE)


def _sections_defined(text: str) -> list[str]:
    """The sections of which `text` defines exercises. By pattern, so that a syntax error elsewhere does not matter."""
    defined = set(_DEFINITION.findall(text))
    return [stem for stem, section in sections().items() if defined & set(section.exercises)]
