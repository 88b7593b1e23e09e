"""The front door: `python -m grader` is `unstatic`.

What a learner asks for is answered by the desk alone; the instructor's commands, whose rooms take longer to open, are in
`grader.cli`.
"""

import sys
from collections.abc import Sequence

from grader.desk.alone import begun


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    with begun():
        arguments = sys.argv[1:] if arguments is None else arguments
        from grader.desk import commands

        run = commands.main
        if arguments and arguments[0] not in commands.NAMES:
            from grader import cli

            run = cli.main
        return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
