"""The command line: `unstatic`, also `python -m grader`."""

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from grader import grade
from grader.course import CourseError
from grader.desk import commands as learner
from grader.exports import commands as exports
from grader.exports.document import NotResults
from grader.files import of_the_system
from grader.grade import UsageError
from grader.intake.syntax import CannotCompile
from grader.nbgrader import course as nbgrader
from grader.reports import report
from grader.sandbox.host import doctor
from grader.source import release
from grader.source.folder import FolderError
from grader.source.markers import MarkerError
from grader.syllabus import reading, summary
from grader.syllabus.grading import Unknown


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a locale without our symbols is no reason to end in an error
    options = parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except (UsageError, Unknown, CourseError, NotResults, report.NotInstalled, learner.Usage) as error:
        print(f"unstatic: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        raise
    except OSError as error:
        print(f"unstatic: {of_the_system(error)}", file=sys.stderr)
        return 1
    except CannotCompile as error:
        print(f"unstatic: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("unstatic: stopped; what is done is kept, and the same command goes on from there", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """What the command line understands."""
    parser = argparse.ArgumentParser(prog="unstatic", description="A graded course in diffusion models.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    learner.add_commands(commands)
    grade.add_commands(commands)
    exports.add_commands(commands)
    course = commands.add_parser(
        "course",
        help="check a course's own file and tell what it says",
        description="Check a course's own file, and tell in words what it says: roster, points, deadlines and more.",
    )
    course.add_argument("file", type=Path, metavar="FILE", help="as course.toml; docs/instructors.md has its lines")
    course.set_defaults(run=_course)
    releasing = commands.add_parser(
        "release",
        help="write the learners' repository, or an nbgrader course, to a folder",
        description="Write the learners' repository, which has no answers, or an nbgrader course, which has them, to a folder.",
    )
    releasing.add_argument("folder", type=Path, metavar="DIR", help="new, or one that was written before")
    releasing.add_argument("--nbgrader", action="store_true", help="an nbgrader course folder, with our answers in it")
    releasing.add_argument(
        "--sections", nargs="+", default=[], type=learner.section_only, metavar="SECTION", help="some, such as s1 s2"
    )
    releasing.set_defaults(run=_release)
    doctor_ = commands.add_parser(
        "doctor",
        help="what this machine can do to keep submissions in",
        description="Say what this machine can do to keep submissions in, what to do about the rest, and try a first submission.",
    )
    doctor_.set_defaults(run=lambda options: doctor.report())
    return parser


def _course(options: argparse.Namespace) -> int:
    said, doubtful = summary.summary(reading.read(options.file))
    print("\n".join([*said, *doubtful]))
    return int(bool(doubtful))


def _release(options: argparse.Namespace) -> int:
    write = nbgrader.write if options.nbgrader else release.release
    try:
        print("\n".join(write(options.folder, [of.stem for of in options.sections])))
    except (FolderError, MarkerError) as error:
        raise UsageError(str(error)) from error
    return 0


if __name__ == "__main__":
    sys.exit(main())
