"""What was handed in, as a tree of named files: one file, a folder, or a zip archive.

Nothing here is unpacked to disk, no link is followed, and nothing but a regular file is opened. A parcel that breaks a rule
raises `Refused`, whose message is a sentence for its sender.
"""

import io
import os
import stat
import unicodedata
import zipfile
import zlib
from pathlib import Path
from typing import Literal, Protocol

from grader.intake.visible import one_line

Kind = Literal["file", "folder", "link", "other"]

MIB = 2**20
ARCHIVE_BYTES = 50 * MIB
"""Seven notebooks with pictures in their outputs; the archive is held in memory."""
ENTRIES = 1000
"""In one folder, or in one archive: a course is some tens of files."""
ENTRY_BYTES = 100 * 10**6
"""No honest file of an archive unpacks to this; those that are used have smaller limits of their own."""
LEVELS = 50
"""Folders within folders, in an archive."""


class Refused(Exception):
    """Something handed in is not accepted. The message says what, and what to do."""


class Parcel(Protocol):
    """A tree of files. A place in it is a tuple of names, () for its top."""

    def entries(self, place: tuple[str, ...]) -> dict[str, Kind]:
        """What lies in the folder at `place`, sorted by name."""

    def read(self, place: tuple[str, ...], limit: int) -> bytes:
        """The bytes of the file at `place`, at most `limit` of them."""


class SingleFile:
    """A parcel of one file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def entries(self, place: tuple[str, ...]) -> dict[str, Kind]:
        return {self._path.name: "file"}

    def read(self, place: tuple[str, ...], limit: int) -> bytes:
        return read_file(str(self._path), limit)


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
                    found[entry.name] = _kind(entry.stat(follow_symlinks=False).st_mode)
                    if len(found) > ENTRIES:
                        where = one_line("/".join((self._path.name, *place)))
                        raise Refused(f"{where} has more than {ENTRIES} entries; hand in the sections' files only")
        finally:
            os.close(folder)
        return dict(sorted(found.items()))

    def read(self, place: tuple[str, ...], limit: int) -> bytes:
        folder = self._open(place[:-1])
        try:
            return read_file(place[-1], limit, folder)
        finally:
            os.close(folder)

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


def _kind(mode: int) -> Kind:
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
    return Refused(f"{shown} is too large: it has {_amount(size)}, and {_amount(limit)} is the most that is read")


def _amount(size: int) -> str:
    return f"{size / MIB:.1f} MiB" if size >= MIB else f"{size:,} bytes"


class Archive:
    """A zip archive, held in memory and checked entry by entry before anything is read from it."""

    def __init__(self, data: bytes, shown: str) -> None:
        # Each entry of the directory begins with these bytes: counted first, since zipfile builds an object for each.
        if data.count(b"PK\x01\x02") > ENTRIES:
            raise Refused(f"{shown} has more than {ENTRIES} entries; hand in the sections' files only")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except Exception as error:  # zipfile promises no exception class for bytes made to confuse it
            raise Refused(f"{shown} is not a zip archive that can be read ({one_line(str(error))})") from error
        self._tree: dict[str, zipfile.ZipInfo | dict] = {}
        seen: dict[str, str] = {}
        for info in self._zip.infolist():
            if info.orig_filename != "./":  # the top itself
                self._file(info, seen, shown)

    def _file(self, info: zipfile.ZipInfo, seen: dict[str, str], shown: str) -> None:
        parts, entry = _parts(info, shown), one_line(info.orig_filename)
        for depth in range(1, len(parts) + 1):
            path, last = "/".join(parts[:depth]), depth == len(parts)
            earlier = seen.setdefault(unicodedata.normalize("NFC", path).casefold(), path)
            if earlier != path:
                raise Refused(f"{shown}: {entry} and {one_line(earlier)} have the same name but for its spelling")
            tree = self._inside(parts[: depth - 1])
            is_file = last and not info.is_dir()
            if (is_file and parts[depth - 1] in tree) or not isinstance(tree.get(parts[depth - 1], {}), dict):
                raise Refused(f"{shown} has two entries called {one_line(path)}")
            if is_file:
                tree[parts[depth - 1]] = info
            else:
                tree.setdefault(parts[depth - 1], {})

    def _inside(self, place: tuple[str, ...]) -> dict:
        tree: dict = self._tree
        for name in place:
            tree = tree[name]
        return tree

    def entries(self, place: tuple[str, ...]) -> dict[str, Kind]:
        found = sorted(self._inside(place).items(), key=lambda item: item[0])
        return {name: "folder" if isinstance(entry, dict) else _zipped_kind(entry) for name, entry in found}

    def read(self, place: tuple[str, ...], limit: int) -> bytes:
        info, shown = self._inside(place[:-1])[place[-1]], one_line(place[-1])
        if _zipped_kind(info) == "link":
            raise Refused(f"{shown} is a link, and links are never followed; hand in the file itself")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Refused(f"{shown} is compressed in an unusual way; zip it again with the usual one (deflate)")
        if info.file_size > limit:
            raise too_large(shown, info.file_size, limit)
        try:
            with self._zip.open(info) as file:
                data = file.read(limit + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, OSError) as error:
            raise Refused(f"{shown} is damaged inside the archive ({one_line(str(error))}); zip it again") from error
        if len(data) > limit:
            raise too_large(shown, len(data), limit)
        return data


def _parts(info: zipfile.ZipInfo, shown: str) -> tuple[str, ...]:
    """The names along an entry's path.

    Raises:
        Refused: the path leaves the archive, or would on some system; or the entry is not a plain file, folder or link.
    """
    name, entry = info.orig_filename, one_line(info.orig_filename)
    parts = tuple(name.removeprefix("./").removesuffix("/").split("/"))  # some programs write ./ before every path
    if name.startswith("/") or ".." in parts:
        raise Refused(f"{shown}: the path of {entry} leads out of the archive")
    if "\\" in name or ":" in parts[0]:
        raise Refused(f"{shown}: {entry} is a Windows path; zip the files again with another program")
    if "\0" in name or "" in parts or "." in parts or len(parts) > LEVELS:
        raise Refused(f"{shown}: {entry} is not a path that is accepted")
    if info.flag_bits & 0x41:
        raise Refused(f"{shown}: {entry} is encrypted; zip the files again without a password")
    if info.file_size > ENTRY_BYTES:
        raise Refused(f"{shown}: {entry} unpacks to {_amount(info.file_size)}, which is more than is accepted")
    if _zipped_kind(info) == "other":
        raise Refused(f"{shown}: {entry} is a device or a pipe, not a file")
    return parts


def _zipped_kind(info: zipfile.ZipInfo) -> Kind:
    mode = info.external_attr >> 16
    if info.is_dir():
        return "folder"
    return "file" if stat.S_IFMT(mode) == 0 else _kind(mode)
