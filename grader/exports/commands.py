"""The commands about results that are there: `unstatic report` and `unstatic export`."""

import argparse
import os
import sys
from pathlib import Path

from rich.console import Console

from grader.exports import document, formats
from grader.files import is_one_of, write_atomically
from grader.intake.visible import one_line
from grader.reports import report
from grader.syllabus import reading
from grader.syllabus.rules import Syllabus


def add_commands(commands: "argparse._SubParsersAction") -> None:
    """Add them to the command line."""
    made = commands.add_parser("report", help="make the report again from results", description="Results for people.")
    _results(made)
    made.add_argument("--html", type=Path, metavar="DIR", help="write the page of the class to DIR/index.html")
    made.add_argument("--feedback", type=Path, metavar="DIR", help="write a page for each learner to DIR")
    made.set_defaults(run=_report)
    export = commands.add_parser(
        "export",
        help="results for gradebooks and other programs",
        description="Write results as gradebooks, autograders and CI read them.",
    )
    _results(export)
    export.add_argument(
        "--to", required=True, choices=formats.FORMATS, metavar="FORMAT", help=", ".join(formats.FORMATS)
    )
    export.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="where to; a folder where there is a file a submission (default: print)",
    )
    export.add_argument(
        "--course", type=Path, metavar="FILE", help="the course's own file, whose roster says who is who"
    )
    export.set_defaults(run=_export)


def _results(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", type=Path, metavar="RESULTS.json", help="what `unstatic grade --json` wrote")


def _report(options: argparse.Namespace) -> int:
    found = document.load(options.results)
    if options.html is None and options.feedback is None:
        Console().print(report.table(found))
    if options.html is not None:
        write_atomically(options.html / "index.html", report.html(found))
    if options.feedback is not None:
        report.write_pages(found, options.feedback)
    return 0


def _export(options: argparse.Namespace) -> int:
    found = document.load(options.results)
    if options.output == Path("-"):
        raise document.NotResults("-o: - would be a file of that name; leave it out to print")
    syllabus = reading.read(options.course) if options.course is not None else Syllabus()
    if options.output is not None and is_one_of(options.output, [options.results, *syllabus.files]):
        raise document.NotResults(f"-o: {options.output} is what is read here, and would be lost; name another file")
    texts, doubts = formats.export(found, options.to, syllabus.roster, os.environ)
    for doubt in doubts:
        print(f"unstatic: {one_line(doubt, 300)}", file=sys.stderr)
    if options.output is None:
        if "" not in texts:
            raise document.NotResults(f"there are {len(texts)} files: say in which folder, as -o {options.to}")
        _print(texts[""])
        return 0
    for name, text in texts.items():
        write_atomically(formats.place(options.output, name), text, named=not name)
    return 0 if texts else 1


def _print(text: str) -> None:
    """Print a file's text as the file would have it, in UTF-8, whatever the terminal's encoding."""
    if (binary := getattr(sys.stdout, "buffer", None)) is None:
        sys.stdout.write(text)
        return
    sys.stdout.flush()
    binary.write(text.encode())
    binary.flush()
