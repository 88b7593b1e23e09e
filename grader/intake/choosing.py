"""Which file of one folder is which section's.

The one with the section's name, however capitalised; else the only one whose name contains the section's, as
`s1-forward-reverse (1).py` does. Where no name tells, the only module or notebook that defines exercises of exactly this section.
"""

import re

from grader.course import sections
from grader.intake.names import base_of, nearness, suffix_of
from grader.intake.sources import finish, load
from grader.intake.submission import Submission
from grader.intake.syntax import Compiler
from grader.intake.trees import Kind, Refused, Tree
from grader.intake.visible import one_line

LISTED = 8
"""Files named in a note; the others are counted."""
CANDIDATES = 20
"""So many files whose names tell nothing are looked into."""
MARKS = {"file": "", "folder": "/", "link": " (a link)", "other": " (not a file)"}
"""What stands behind the name of what is there."""


class FolderReader:
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
            self._submission.problems[stem] = unreadable(name, error)
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
                self.reason = str(refusal) if isinstance(refusal, Refused) else unreadable(name, refusal)
                continue
            stems = _sections_defined(source.text)
            if len(stems) == 1:
                found.setdefault(stems[0], []).append(name)
            else:
                what = f"exercises of {' and '.join(stems)}" if stems else "no exercise of the course"
                self.reason = f"{one_line(name)} defines {what}; name each file for its section, as in {example()}"
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
        rest = [one_line(name) + MARKS[kind] for name, kind in self._entries.items() if name not in self._explained]
        if rest:
            more = f" and {len(rest) - LISTED} more" if len(rest) > LISTED else ""
            self._note(f"not used: {', '.join(rest[:LISTED])}{more}")

    def _note(self, sentence: str) -> None:
        self._submission.notes.append(sentence)


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


def unreadable(name: str, error: OSError | ValueError) -> str:
    """That a file cannot be read, and why, as the system says it."""
    said = error.strerror if isinstance(error, OSError) else str(error)
    return f"{one_line(name)} cannot be read: {(said or type(error).__name__).lower()}"


def example() -> str:
    """What a section's module is called, for instance."""
    return f"{next(iter(sections()))}.py"
