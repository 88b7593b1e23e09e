"""Files written in one go: whoever reads one finds the old content or the new one, whole."""

import contextlib
import errno
import os
import shutil
import threading
from collections.abc import Iterable
from pathlib import Path

DRAFTED = 20
"""The draft's name begins with so many characters of the file's: with all of them it could be longer than a file system allows (255 bytes,
143 where names are encrypted)."""


def replace_file(path: Path, data: bytes, *, durable: bool = False, named: bool = False, mode: int = 0o666) -> None:
    """Write a file, and the folders that it lies in.

    Args:
        path: where to.
        data: its content.
        durable: whether it is on disk when this returns, be the power cut then.
        named: whether somebody asked for this very file: a link is followed, a pipe or a device is written to, and who
            may read the file stays as it is. Else, as in a folder that others write into, whatever is there is replaced.
        mode: who may read and write it at most, at any moment; the umask takes from that.

    Raises:
        OSError: it cannot be written, of which it is the `filename`, if not a folder on the way; what was there still is.
    """
    try:
        _replace_file(path, data, durable, named, mode)
    except OSError as error:
        if error.filename is None:  # as of a full disk
            error.filename = str(path)
        raise


def _replace_file(path: Path, data: bytes, durable: bool, named: bool, mode: int) -> None:
    if not path.name:  # as ".", of which no name of a draft can be made
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    target = Path(os.path.realpath(path)) if named else path
    if named and path.exists() and not target.is_file():  # of /dev/stdout the target may be a pipe, which has no path
        with path.open("wb") as file:
            file.write(data)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name[:DRAFTED]}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        with open(draft, "wb", opener=lambda name, how: os.open(name, how, mode)) as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if named and target.is_file():
            shutil.copymode(target, draft)
        draft.replace(target)
        if durable:
            _keep_name(target.parent)
    finally:
        with contextlib.suppress(OSError):  # usually it has become the file
            draft.unlink()


def _keep_name(folder: Path) -> None:
    """Have on disk what a folder's files are called: a file that is there under its old name alone is not there."""
    with contextlib.suppress(OSError):  # Windows opens no folder, and some file systems have nothing to write down
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def write_atomically(path: Path, text: str, *, named: bool = False, mode: int = 0o666) -> None:
    """Write a result that somebody asked for, as a file that they `named` or as one in a folder; then it is on disk.

    `replace_file` says what they mean.

    Raises:
        OSError: it cannot be written; the message names the file and the reason.
    """
    try:
        replace_file(path, text.encode("utf-8"), durable=True, named=named, mode=mode)
    except OSError as error:
        raise OSError(error.errno, f"cannot be written: {error.strerror}", str(path)) from error


def is_one_of(path: Path, others: Iterable[Path]) -> bool:
    """Whether what would be written to a path would take the place of one of these files, by whatever name or link."""
    target = os.path.realpath(path)
    return any(os.path.realpath(other) == target for other in others)


def of_the_system(error: OSError) -> str:
    """What the system said, with the file first and without its number."""
    if error.filename is None or error.strerror is None:
        return str(error)
    return f"{os.fsdecode(error.filename)}: {error.strerror[:1].lower()}{error.strerror[1:]}"
