"""`unstatic` as a learner's repository has it: the learner's commands, and nothing of the grader's."""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    try:
        from grader.desk import commands

        return commands.main(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:  # while something was imported: nothing was begun
        print("unstatic: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
