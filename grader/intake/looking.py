"""In which of several folders something to grade lies, going by the names of files."""

from collections.abc import Sequence

from grader.intake.choosing import unreadable
from grader.intake.names import is_junk, stems_in, suffix_of
from grader.intake.trees import Refused, Tree

FOLDERS = 2000
"""So many folders are looked into in all."""


class Look:
    """Looks for sections in a tree by the names of files. What cannot be looked into is told, and keeps nobody from the rest."""

    def __init__(self, tree: Tree) -> None:
        self._tree, self._left, self._why = tree, 0, ""

    def into(
        self, place: tuple[str, ...], names: Sequence[str], depth: int
    ) -> tuple[dict[str, frozenset[str]], dict[str, str]]:
        """The sections that names below each of these folders tell of, where something to grade is there; and why others cannot be looked into.

        So many as all others have folders to their share are left to them, so that one of many folders hides nobody.
        """
        full, closed = {}, {}
        left, share = FOLDERS, FOLDERS // max(len(names), 1)
        for others, name in zip(reversed(range(len(names))), names, strict=True):
            self._left, self._why = left - others * share, ""
            stems = self._stems((*place, name), depth)
            left = self._left + others * share
            if stems is not None:
                full[name] = stems
            elif self._why:
                closed[name] = self._why
        return full, closed

    def is_empty(self, place: tuple[str, ...], depth: int) -> bool:
        """Whether there is no file in a folder, nor in those below it; what is not looked into may have one."""
        waiting = [place]
        for _ in range(FOLDERS):
            if not waiting:
                return True
            at = waiting.pop()
            try:
                entries = {name: kind for name, kind in self._tree.entries(at).items() if not is_junk(name)}
            except (Refused, OSError):
                return False
            if any(kind != "folder" for kind in entries.values()) or (entries and len(at) - len(place) >= depth):
                return False
            waiting += [(*at, name) for name in entries]
        return False

    def _stems(self, place: tuple[str, ...], depth: int) -> frozenset[str] | None:
        """The sections that names below a folder tell of; None if nothing to grade is seen there."""
        if self._left <= 0 or depth < 0:
            return None
        self._left -= 1
        try:
            entries = {name: kind for name, kind in self._tree.entries(place).items() if not is_junk(name)}
        except Refused as refusal:
            self._why = str(refusal)
            return None
        except OSError as error:
            self._why = unreadable(place[-1], error)
            return None
        files = [name for name, kind in entries.items() if kind == "file"]
        something = any(suffix_of(name) or name.lower().endswith(".zip") for name in files)
        found = {stem for name in files for stem in stems_in(name)}
        if not found:
            for name, kind in entries.items():
                below = self._stems((*place, name), depth - 1) if kind == "folder" else None
                something = something or below is not None
                found |= below or set()
        return frozenset(found) if something or found else None
