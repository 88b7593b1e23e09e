"""A zip archive as a tree of files, checked entry by entry before anything is read from it."""

import contextlib
import io
import stat
import unicodedata
import zipfile
import zlib
from pathlib import Path

from grader.intake.trees import ENTRIES, FEWER, MIB, Kind, Refused, amount, kind_of, too_large
from grader.intake.visible import one_line

ARCHIVE_BYTES = 50 * MIB
"""Seven notebooks with pictures in their outputs; the archive is held in memory."""
ENTRY_BYTES = 100 * 10**6
"""No honest file of an archive unpacks to this; those that are used have smaller limits of their own."""
LEVELS = 50
"""Folders within folders, in an archive."""
PATH_CHARACTERS = 1000
"""Of a path in an archive, whose format has room for 65,535: each folder on the way is kept with the path that leads to it."""


class _TooMany(Exception):
    """There are more entries in an archive than are accepted."""


class _Counted(io.BytesIO):
    """An archive's bytes, in whose directory entries are counted before zipfile builds an object for each.

    What was handed in can be an archive too, and have a directory of its own: so only what is read for one is looked at.
    """

    def __init__(self, data: bytes, most: int) -> None:
        super().__init__(data)
        self.most = most

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if data.count(b"PK\x01\x02") > self.most:  # each entry of the directory begins with these
            raise _TooMany
        return data


class Archive:
    """A zip archive, held in memory and checked entry by entry before anything is read from it."""

    def __init__(
        self, data: bytes, shown: str, most: int = ENTRIES, remedy: str = FEWER, path: Path | None = None
    ) -> None:
        self._path = path
        counted = _Counted(data, most)
        try:
            self._zip = zipfile.ZipFile(counted)
        except _TooMany as error:
            raise Refused(f"{shown} has more than {most} entries; {remedy}") from error
        except Exception as error:  # zipfile promises no exception class for bytes made to confuse it
            raise Refused(f"{shown} is not a zip archive that can be read ({one_line(str(error))})") from error
        counted.most = len(data)
        self._tree: dict[str, zipfile.ZipInfo | dict] = {}
        self._dos = _made_by_dos(self._zip.infolist())
        seen: dict[str, str] = {}
        for info in self._zip.infolist():
            if info.orig_filename != "./":  # the top itself
                self._file(info, seen, shown)

    def _refuse(self, path: str, sentence: str) -> None:
        """An entry at this path is not accepted."""
        raise Refused(sentence)

    def _file(self, info: zipfile.ZipInfo, seen: dict[str, str], shown: str) -> None:
        entry = one_line(info.orig_filename)
        try:
            parts = _parts(info, shown, self._dos)
        except Refused as refusal:
            parts = _as_far_as_it_is_one(_name(info, self._dos))
            self._refuse("/".join(parts), str(refusal))
        for depth in range(1, len(parts) + 1):
            path, last = "/".join(parts[:depth]), depth == len(parts)
            earlier = seen.setdefault(folded(path), path)
            if earlier != path:
                self._refuse(path, f"{shown}: {entry} and {one_line(earlier)} have the same name but for its spelling")
            tree = self._inside(parts[: depth - 1])
            is_file = last and not _is_folder(info, self._dos)
            if (is_file and parts[depth - 1] in tree) or not isinstance(tree.get(parts[depth - 1], {}), dict):
                self._refuse(path, f"{shown} has two entries called {one_line(path)}")
                return
            if is_file:
                tree[parts[depth - 1]] = info
            else:
                tree.setdefault(parts[depth - 1], {})

    def _inside(self, place: tuple[str, ...]) -> dict:
        tree: dict = self._tree
        for name in place:
            tree = tree[name]
        return tree

    def on_disk(self, place: tuple[str, ...]) -> Path | None:
        return self._path

    def entries(self, place: tuple[str, ...]) -> dict[str, Kind]:
        found = sorted(self._inside(place).items(), key=lambda item: item[0])
        return {name: "folder" if isinstance(entry, dict) else _zipped_kind(entry, self._dos) for name, entry in found}

    def read(self, place: tuple[str, ...], limit: int) -> bytes:
        info, shown = self._inside(place[:-1])[place[-1]], one_line(place[-1])
        if isinstance(info, dict):
            raise Refused(f"{shown} is a folder, and is never opened as a file")
        if _zipped_kind(info, self._dos) == "link":
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


DOS = (0, 10, 11)
"""The systems of archives, by their numbers, on which a backslash stands between the names of a path: FAT, NTFS."""


def _made_by_dos(entries: list[zipfile.ZipInfo]) -> bool:
    """Whether paths are written with backslashes, as old programs of Windows do: all of them, and by such a system."""
    names = [info.orig_filename for info in entries]
    return (
        any("\\" in name for name in names)
        and not any("/" in name for name in names)
        and all(info.create_system in DOS for info in entries)
    )


def folded(path: str) -> str:
    """A path as it is where capitals, and how an accent is written, do not tell names apart."""
    return unicodedata.normalize("NFC", path).casefold()


def _name(info: zipfile.ZipInfo, dos: bool) -> str:
    """An entry's name. One that does not say that it is UTF-8 is UTF-8 all the same where it can be, else the old code page 437."""
    name = info.orig_filename
    if not info.flag_bits & 0x800 and not name.isascii():
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/") if dos else name


def _split(name: str) -> tuple[str, ...]:
    return tuple(name.removeprefix("./").removesuffix("/").split("/"))  # some programs write ./ before every path


def _as_far_as_it_is_one(name: str) -> tuple[str, ...]:
    """The names along a path that is not accepted, for it to be told of; all from the first that is no name on is one."""
    parts = _split(name[:PATH_CHARACTERS])
    whole = [part not in ("", ".", "..") and not {"\\", "\0"} & set(part) for part in parts]
    whole[0] = whole[0] and ":" not in parts[0]
    count = min([*(place for place, is_one in enumerate(whole) if not is_one), len(parts) - 1, LEVELS - 1])
    return (*parts[:count], "/".join(parts[count:]))


def _parts(info: zipfile.ZipInfo, shown: str, dos: bool) -> tuple[str, ...]:
    """The names along an entry's path.

    Raises:
        Refused: the path leaves the archive, or would on some system; or the entry is not a plain file, folder or link.
    """
    name, entry = _name(info, dos), one_line(info.orig_filename)
    parts = _split(name)
    if len(name) > PATH_CHARACTERS:
        raise Refused(
            f"{shown}: the path of {entry} is longer than the {PATH_CHARACTERS:,} characters that are accepted"
        )
    if name.startswith("/") or ".." in parts:
        raise Refused(f"{shown}: the path of {entry} leads out of the archive")
    if "\\" in name or ":" in parts[0]:
        raise Refused(f"{shown}: {entry} is a Windows path among others; zip the files again with another program")
    if "\0" in name or "" in parts or "." in parts or len(parts) > LEVELS:
        raise Refused(f"{shown}: {entry} is not a path that is accepted")
    if info.flag_bits & 0x41:
        raise Refused(f"{shown}: {entry} is encrypted; zip the files again without a password")
    if info.file_size > ENTRY_BYTES:
        raise Refused(f"{shown}: {entry} unpacks to {amount(info.file_size)}, which is more than is accepted")
    if _zipped_kind(info, dos) == "other":
        raise Refused(f"{shown}: {entry} is a device or a pipe, not a file")
    return parts


def _is_folder(info: zipfile.ZipInfo, dos: bool) -> bool:
    named = info.orig_filename.endswith(("/", "\\") if dos else "/")
    return named or stat.S_ISDIR(info.external_attr >> 16)


def _zipped_kind(info: zipfile.ZipInfo, dos: bool) -> Kind:
    mode = info.external_attr >> 16
    if _is_folder(info, dos):
        return "folder"
    return "file" if stat.S_IFMT(mode) == 0 else kind_of(mode)
