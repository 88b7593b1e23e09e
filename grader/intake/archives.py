"""A zip archive as a tree of files, checked entry by entry before anything is read from it."""

import io
import stat
import unicodedata
import zipfile
import zlib

from grader.intake.trees import ENTRIES, FEWER, MIB, Kind, Refused, amount, kind_of, too_large
from grader.intake.visible import one_line

ARCHIVE_BYTES = 50 * MIB
"""Seven notebooks with pictures in their outputs; the archive is held in memory."""
ENTRY_BYTES = 100 * 10**6
"""No honest file of an archive unpacks to this; those that are used have smaller limits of their own."""
CLASS_BYTES, CLASS_ENTRIES = 500 * MIB, 20_000
"""Of a class download, which a platform made."""
LEVELS = 50
"""Folders within folders, in an archive."""
PATH_CHARACTERS = 1000
"""Of a path in an archive, whose format has room for 65,535: each folder on the way is kept with the path that leads to it."""


class Archive:
    """A zip archive, held in memory and checked entry by entry before anything is read from it."""

    def __init__(self, data: bytes, shown: str, most: int = ENTRIES, remedy: str = FEWER) -> None:
        # Each entry of the directory begins with these bytes: counted first, since zipfile builds an object for each.
        if data.count(b"PK\x01\x02") > most:
            raise Refused(f"{shown} has more than {most} entries; {remedy}")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except Exception as error:  # zipfile promises no exception class for bytes made to confuse it
            raise Refused(f"{shown} is not a zip archive that can be read ({one_line(str(error))})") from error
        self._tree: dict[str, zipfile.ZipInfo | dict] = {}
        self._dos = _made_by_dos(self._zip.infolist())
        seen: dict[str, str] = {}
        for info in self._zip.infolist():
            if info.orig_filename != "./":  # the top itself
                self._file(info, seen, shown)

    def _file(self, info: zipfile.ZipInfo, seen: dict[str, str], shown: str) -> None:
        parts, entry = _parts(info, shown, self._dos), one_line(info.orig_filename)
        for depth in range(1, len(parts) + 1):
            path, last = "/".join(parts[:depth]), depth == len(parts)
            earlier = seen.setdefault(unicodedata.normalize("NFC", path).casefold(), path)
            if earlier != path:
                raise Refused(f"{shown}: {entry} and {one_line(earlier)} have the same name but for its spelling")
            tree = self._inside(parts[: depth - 1])
            is_file = last and not _is_folder(info, self._dos)
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
        return {name: "folder" if isinstance(entry, dict) else _zipped_kind(entry, self._dos) for name, entry in found}

    def read(self, place: tuple[str, ...], limit: int) -> bytes:
        info, shown = self._inside(place[:-1])[place[-1]], one_line(place[-1])
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


def _name(info: zipfile.ZipInfo) -> str:
        if isinstance(info, dict):
            raise Refused(f"{shown} is a folder, and is never opened as a file")
    """An entry's name. One that does not say that it is UTF-8 is UTF-8 all the same where it can be, else the old code page 437."""
    name = info.orig_filename
    if info.flag_bits & 0x800 or name.isascii():
        return name
    try:
        return name.encode("cp437").decode("utf-8")
    except UnicodeError:
        return name


def _parts(info: zipfile.ZipInfo, shown: str, dos: bool) -> tuple[str, ...]:
    """The names along an entry's path.

    Raises:
        Refused: the path leaves the archive, or would on some system; or the entry is not a plain file, folder or link.
    """
    name, entry = _name(info), one_line(info.orig_filename)
    if dos:
        name = name.replace("\\", "/")
    parts = tuple(name.removeprefix("./").removesuffix("/").split("/"))  # some programs write ./ before every path
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
