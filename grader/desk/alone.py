"""`unstatic` as a learner's repository has it: the learner's commands, and nothing of the grader's."""

import argparse
import io
import sys
from collections.abc import Sequence

from grader.course import CourseError
from grader.desk import commands


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    parser = argparse.ArgumentParser(prog="unstatic", description="A graded course in diffusion models.")
    commands.add_commands(parser.add_subparsers(title="commands", metavar="COMMAND", required=True))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a locale without our symbols is no reason to end in an error
    options = parser.parse_args(arguments)
    try:
        return options.run(options) or 0
    except (CourseError, OSError) as error:
        print(f"unstatic: {error}", file=sys.stderr)
        return 2 if isinstance(error, CourseError) else 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
