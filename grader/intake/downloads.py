"""The archive of a class download, in which what is wrong with an entry costs whose entry it is, and nobody else.

A learner's own archive is refused as a whole (`archives`); here that would let one learner keep a class from being graded.
"""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from grader.intake.archives import ARCHIVE_BYTES, Archive, folded
from grader.intake.classes import LISTED, METADATA, Student
from grader.intake.trees import MIB, Refused, amount, read_file
from grader.intake.visible import one_line

CLASS_BYTES, CLASS_ENTRIES = 500 * MIB, 20_000
"""Of a class download, which a platform made."""
UNPACK = "unpack the download and grade the folder"


class Download(Archive):
    """An archive whose refused entries are there by name, are never read, and are told when somebody asks for them."""

    def __init__(self, path: Path) -> None:
        shown, size = one_line(path.name), os.lstat(path).st_size
        if size > CLASS_BYTES:
            raise Refused(
                f"{shown} is too large: it has {amount(size)}, and {amount(CLASS_BYTES)} is the most that is read of a class download, "
                f"{amount(ARCHIVE_BYTES)} of one learner's archive; {UNPACK}"
            )
        self._faults: dict[str, str] = {}
        remedy = f"unless it is one learner's, {UNPACK}"
        super().__init__(read_file(str(path), CLASS_BYTES), shown, CLASS_ENTRIES, remedy)

    def _refuse(self, path: str, sentence: str) -> None:
        # Of two entries that go by one name, which counts is not known: by this name neither is read.
        self._faults.setdefault(folded(path), sentence)

    def read(self, place: tuple[str, ...], limit: int) -> bytes:
        if faults := self._faults_at(place):
            raise Refused(faults[0])
        return super().read(place, limit)

    def _faults_at(self, place: tuple[str, ...]) -> list[str]:
        """What is wrong with what lies there, or with a folder on the way."""
        return [self._faults[path] for path in _way(folded("/".join(place))) if path in self._faults]

    def refused(self, students: Sequence[Student]) -> list[list[str]]:
        """Of each student, the sentences on entries of theirs that are refused.

        Raises:
            Refused: an entry is nobody's, as no platform makes them.
        """
        at: dict[str, set[int]] = defaultdict(set)  # which students have something there
        above: dict[str, set[int]] = defaultdict(set)
        for number, student in enumerate(students):
            for own in student.own:
                if any("/" in name for name in own):  # a path that is none: no learner chooses how it begins
                    continue
                *outer, inner = _way(folded("/".join(own)))
                at[inner].add(number)
                for path in outer:
                    above[path].add(number)
        found: list[list[str]] = [[] for _ in students]
        for path, sentence in self._faults.items():
            whose = set(above.get(path, ())).union(*(at.get(one, ()) for one in _way(path)))
            if not whose and path.rpartition("/")[2] != METADATA and not path.startswith("__macosx/"):
                raise Refused(f"{sentence} (that is no learner's, so that nothing of this class download is read)")
            for number in whose:
                found[number].append(sentence)
        return found


def _way(path: str) -> Iterator[str]:
    """A path with each of the folders that lead to it, the outermost first."""
    end = path.find("/")
    while end >= 0:
        yield path[:end]
        end = path.find("/", end + 1)
    yield path


def not_read(sentences: Sequence[str]) -> list[str]:
    """The notes on entries that are refused."""
    notes = [f"not read: {sentence}" for sentence in sentences[:LISTED]]
    return notes + ([f"not read: {len(sentences) - LISTED} more of these"] if len(sentences) > LISTED else [])
