"""What was handed in, as a tree of named files: one file, a folder, or a zip archive.

Nothing here is unpacked to disk, no link is followed, and nothing but a regular file is opened. A tree that breaks a rule
raises `Refused`, whose message is a sentence for its sender.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol

from grader.intake.names import suffix_of
from grader.intake.visible import one_line

Kind = Literal["file", "folder", "link", "other"]
MIB = 2**20
ENTRIES = 1000
"""In one folder, or in one archive: a course is some tens of files."""
FEWER = "hand in the sections' files only"
"""What to do about more."""


class Refused(Exception):
    """Something handed in is not accepted. The message says what, and what to do."""


class Tree(Protocol):
    """A tree of files. A place in it is a tuple of names, () for its top."""

    def entries(self, place: tuple[str, ...]) -> dict[str, Kind]:
        """What lies in the folder at `place`, sorted by name."""

    def read(self, place: tuple[str, ...], limit: int) -> bytes:
        """The bytes of the file at `place`, at most `limit` of them."""

    def on_disk(self, place: tuple[str, ...]) -> Path | None:
        """The file that the collector wrote, in which the one at `place` is; None if it is one of many in a class download."""


class SingleFile:
    """A tree of one file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def entries(self, place: tuple[str, ...]) -> dict[str, Kind]:
        return {self._path.name: "file"}

    def read(self, place: tuple[str, ...], limit: int) -> bytes:
        return read_file(str(self._path), limit)

    def on_disk(self, place: tuple[str, ...]) -> Path:
        return self._path


class Folder:
    """A folder on disk. Every step into it is taken from the folder above, so that no link can be slipped in between."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def entries(self, place: tuple[str, ...]) -> dict[str, Kind]:
        found: dict[str, Kind] = {}
        folder = self._open(place)
        try:
            with os.scandir(folder) as listing:
                for entry in listing:
                    found[entry.name] = kind_of(entry.stat(follow_symlinks=False).st_mode)
                    if len(found) > ENTRIES:
                        where = one_line("/".join((self._path.name, *place)))
                        raise Refused(f"{where} has more than {ENTRIES} entries; {FEWER}")
        finally:
            os.close(folder)
        return dict(sorted(found.items()))

    def read(self, place: tuple[str, ...], limit: int) -> bytes:
        folder = self._open(place[:-1])
        try:
            return read_file(place[-1], limit, folder)
        finally:
            os.close(folder)

    def on_disk(self, place: tuple[str, ...]) -> Path:
        return self._path.joinpath(*place)

    def _open(self, place: tuple[str, ...]) -> int:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        folder = os.open(self._path, flags)
        for name in place:
            try:
                inner = os.open(name, flags, dir_fd=folder)
            finally:
                os.close(folder)
            folder = inner
        return folder


class Below:
    """What of another tree lies in one of its folders."""

    def __init__(self, tree: Tree, top: tuple[str, ...]) -> None:
        self._tree, self._top = tree, top

    def entries(self, place: tuple[str, ...]) -> dict[str, Kind]:
        return self._tree.entries((*self._top, *place))

    def read(self, place: tuple[str, ...], limit: int) -> bytes:
        return self._tree.read((*self._top, *place), limit)

    def on_disk(self, place: tuple[str, ...]) -> Path | None:
        return self._tree.on_disk((*self._top, *place))


class Picked:
    """Some files of another tree, in one folder and under names of their own."""

    def __init__(self, tree: Tree, files: Mapping[str, tuple[str, ...]]) -> None:
        self._tree, self._files = tree, files

    def entries(self, place: tuple[str, ...]) -> dict[str, Kind]:
        return {name: self._tree.entries(at[:-1])[at[-1]] for name, at in sorted(self._files.items())}

    def read(self, place: tuple[str, ...], limit: int) -> bytes:
        return self._tree.read(self._files[place[-1]], limit)

    def on_disk(self, place: tuple[str, ...]) -> Path | None:
        return self._tree.on_disk(self._files[place[-1]])


def kind_of(mode: int) -> Kind:
    """What lies there, going by its mode."""
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    return "link" if stat.S_ISLNK(mode) else "other"


def read_file(name: str, limit: int, folder: int | None = None) -> bytes:
    """The bytes of a regular file, by path or by its name in an open folder.

    Raises:
        Refused: it is a link, a pipe, a socket or a device, or has more than `limit` bytes.
        OSError: the system says no.
    """
    shown = one_line(os.path.basename(name))
    # Looked at before it is opened, since opening a device can act on it; and again afterwards, since it may have changed.
    require_regular(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode, shown)
    # O_NONBLOCK: a pipe put in its place meanwhile would wait for a writer.
    opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    with os.fdopen(opened, "rb") as file:
        info = os.fstat(opened)
        require_regular(info.st_mode, shown)
        data = file.read(limit + 1) if info.st_size <= limit else b""
    if info.st_size > limit or len(data) > limit:
        raise too_large(shown, info.st_size, limit)
    return data


def require_regular(mode: int, shown: str) -> None:
    """A regular file, going by its mode.

    Raises:
        Refused: it is anything else.
    """
    if stat.S_ISLNK(mode):
        raise Refused(f"{shown} is a link, and links are never followed; hand in the file itself")
    if not stat.S_ISREG(mode):
        raise Refused(f"{shown} is not a regular file; a folder, pipe, socket or device is never opened as one")


def too_large(shown: str, size: int, limit: int) -> Refused:
    remedy = "; clear its outputs and save it again" if suffix_of(shown) == ".ipynb" else ""
    return Refused(f"{shown} is too large: it has {amount(size)}, and {amount(limit)} is the most that is read{remedy}")


def amount(size: int) -> str:
    """A number of bytes as it is told."""
    return f"{size / MIB:.1f} MiB" if size >= MIB else f"{size:,} bytes"
