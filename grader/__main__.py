"""The front door: `python -m grader` is `unstatic`.

What a learner asks for is answered by the desk alone; the instructor's commands, whose rooms take longer to open, are in
`grader.cli`.
"""

import os
import sys
from collections.abc import Sequence

from grader.desk.alone import begun

ENOUGH = 141
"""The exit status of a program that the signal SIGPIPE ends, as a shell gives it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    with begun():
        arguments = sys.argv[1:] if arguments is None else arguments
        from grader.desk import commands

        run = commands.main
        if arguments and arguments[0] not in commands.NAMES:
            from grader import cli

            run = cli.main
        try:
            status = run(arguments)
            sys.stdout.flush()
        except BrokenPipeError:  # whoever read what we print has enough: `unstatic status | head -1`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return ENOUGH
        return status


if __name__ == "__main__":
    sys.exit(main())
