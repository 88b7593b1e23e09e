"""Files written in one go: whoever reads one finds the old content or the new one, whole."""

import contextlib
import os
import threading
from pathlib import Path


def replace_file(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Write a file, and the folders that it lies in.

    Args:
        path: where to.
        data: its content.
        durable: whether it is on disk when this returns, be the power cut then.

    Raises:
        OSError: it cannot be written; what was there still is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        with draft.open("wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        draft.replace(path)
    finally:
        with contextlib.suppress(OSError):  # usually it has become the file
            draft.unlink()


def write_atomically(path: Path, text: str) -> None:
    """Write a result that somebody asked for; when this returns it is on disk.

    Raises:
        OSError: it cannot be written; the message names the file and the reason.
    """
    try:
        replace_file(path, text.encode("utf-8"), durable=True)
    except OSError as error:
        raise OSError(error.errno, f"cannot be written: {error.strerror}", str(path)) from error
