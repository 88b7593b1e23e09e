"""A folder that we write again and again while others work in it: nothing that they wrote is lost.

What we wrote last is told by its hash, in a record that lies in the folder. A file that is as we left it is replaced; one that
somebody has changed is theirs: it stays if it is meant to be worked in, and else is moved aside before ours is written.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from grader.files import replace_file

RECORD = ".unstatic-release.json"
"""In the folder: what was written there last, and what for."""
ASIDE = PurePosixPath(".unstatic/kept")
"""Where what was changed and has to make room goes, with a number for each time."""


class FolderError(ValueError):
    """The folder cannot be written to as it is; the message says why, and what to do. Nothing is written."""


@dataclass
class Written:
    """What one writing did, by paths within the folder.

    Attributes:
        written: new, or as we left it and replaced.
        stayed: meant to be worked in, and changed: left as it is.
        renewed: of those, where ours has become another one since.
        aside: changed, and moved aside, by where it lies now.
        removed: ours no longer, and as we left it.
        left: ours no longer, and changed: left as it is.
    """

    written: list[str] = field(default_factory=list)
    stayed: list[str] = field(default_factory=list)
    renewed: list[str] = field(default_factory=list)
    aside: dict[str, str] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def record(folder: Path) -> dict[str, Any]:
    """What was written to the folder last: "files" by path, each with its hash, and what else was noted; {} if nothing was.

    Raises:
        FolderError: there is a record that cannot be read.
    """
    path = folder / RECORD
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not all(isinstance(digest, str) for digest in found["files"].values()):
            raise ValueError("a hash that is no text")
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise FolderError(
            f"{path} is damaged ({error}), so that what others changed cannot be told: restore it, or choose a new folder"
        ) from error
    return found


def write(folder: Path, files: Mapping[str, bytes], theirs: Collection[str] = (), **noted: Any) -> Written:
    """Bring the folder's files to what is given, by path within it.

    Args:
        folder: made if it is not there.
        files: all that is to be there of ours.
        theirs: those of them that are meant to be worked in.
        noted: kept in the record.

    Raises:
        FolderError: the folder, or something on the way to a file, is no folder or is a link.
        OSError: the system says no.
    """
    before: dict[str, str] = record(folder).get("files", {})
    _require_folders(folder, [*files, *before])
    done, moved = Written(), _aside(folder)
    for path, data in files.items():
        old = _read(folder / path)
        if old is not None and data in (old, _plain(old)):
            continue
        if old is not None and not _is_as_left(old, before.get(path)):
            if path in theirs:
                done.stayed.append(path)
                if before.get(path) != _digest(data):
                    done.renewed.append(path)
                continue
            done.aside[path] = _move(folder, path, moved)
        replace_file(folder / path, data)
        done.written.append(path)
    for path in before.keys() - files.keys():
        old = _read(folder / path)
        if old is not None and _is_as_left(old, before[path]):
            _remove(folder, path)
            done.removed.append(path)
        elif old is not None:
            done.left.append(path)
    kept = {"schema": 1, **noted, "files": {path: _digest(data) for path, data in sorted(files.items())}}
    replace_file(folder / RECORD, (json.dumps(kept, indent=1) + "\n").encode())
    done.removed.sort()
    done.left.sort()
    return done


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _is_as_left(data: bytes, digest: str | None) -> bool:
    """Whether it is what was written, as it was or as Git for Windows checks out text: with another line end."""
    return digest in (_digest(data), _digest(_plain(data)))


def _plain(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n")


def _require_folders(folder: Path, paths: Iterable[str]) -> None:
    """Nothing may be written, moved or removed elsewhere, by way of a link; nor in the place of a folder of theirs."""
    if folder.exists() and not folder.is_dir():
        raise FolderError(f"{folder} is not a folder: choose another name")
    ways = {folder / parent for path in paths for parent in PurePosixPath(path).parents if parent != PurePosixPath(".")}
    for way in sorted(ways):
        if way.is_symlink() or (way.exists() and not way.is_dir()):
            raise FolderError(f"{way} is in the way: a folder belongs there; move it, and run the same command again")
    for path in paths:
        if (folder / path).is_dir():
            raise FolderError(
                f"{folder / path} is in the way: a file belongs there; move it, and run the command again"
            )


def _read(path: Path) -> bytes | None:
    """What lies there; None if nothing. A link is somebody's: it is read as a text that is not ours."""
    if path.is_symlink():
        return b"link " + os.fsencode(os.readlink(path))
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _aside(folder: Path) -> PurePosixPath:
    """A folder that is not there yet, for what is moved this time."""
    number = 1
    while (folder / ASIDE / str(number)).exists():
        number += 1
    return ASIDE / str(number)


def _move(folder: Path, path: str, to: PurePosixPath) -> str:
    target = to / path
    (folder / target).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).replace(folder / target)
    return target.as_posix()


def _remove(folder: Path, path: str) -> None:
    (folder / path).unlink()
    for parent in (folder / path).relative_to(folder).parents:
        with contextlib.suppress(OSError):  # others have files in it
            if parent != Path("."):
                (folder / parent).rmdir()
