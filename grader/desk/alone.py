"""`unstatic` as a learner's repository has it: the learner's commands, and nothing of the grader's."""

import atexit
import contextlib
import gc
import os
import sys
from collections.abc import Iterator, Sequence

NEEDED = ("hypothesis", "jaxtyping", "matplotlib", "numpy", "pytest", "rich", "torch")
"""What a learner's install has."""
ENOUGH = 141
"""The exit status of a program that the signal SIGPIPE ends, as a shell gives it."""


@contextlib.contextmanager
def begun() -> Iterator[None]:
    """What ends a command before it could say so itself is told in a line: an interruption, or a package that is not there.

    Where whoever reads what it prints has enough (`unstatic status | head -1`), it ends without a word.
    """
    atexit.register(gc.freeze)  # as Python ends it collects garbage: what torch brought need not be looked through
    _stand_in()
    try:
        try:
            yield
        finally:  # what is left is printed here, and not as Python ends, where nothing can be said of it
            sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            sys.exit(ENOUGH)
        print(f"unstatic: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("unstatic: stopped", file=sys.stderr)
        sys.exit(130)
    except ModuleNotFoundError as error:
        if (name := (error.name or "").partition(".")[0]) not in NEEDED:
            raise
        why = f"unstatic: {name} is not installed for {sys.executable}. The README's first command installs what the course needs;"
        print(f"{why} in an environment of your own: {sys.executable} -m pip install -e .", file=sys.stderr)
        sys.exit(2)


def _stand_in() -> None:
    """Where a shell closed standard input or an output (`unstatic next >&-`), nothing is read and what is said is lost.

    The three numbers are taken first, that no file opened later gets one.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - it lives as long as the command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    with begun():
        from grader.desk import commands

        return commands.main(sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    sys.exit(main())
