"""The learner's commands: status, next, watch, check, hint, read, show, dial, capstone, solution, reset.

Those that run the learner's code are in `grader.desk.practice`, which is imported when one is used: torch takes seconds.
"""

import argparse
import ast
import difflib
import json
import sys
import webbrowser

from rich.console import Console
from rich.syntax import Syntax

from grader.course import ROOT, Exercise, Section, sections
from grader.site import places
from grader.source.markers import BEGIN, END

STATE = ROOT / ".unstatic"
"""What the commands remember: the hints that were given, and what `reset` took away."""


def add_commands(subparsers: argparse._SubParsersAction) -> None:
    """Register the commands; each sets `run`, a function from the options to the exit status."""
    everything, exercise = exercise_or_section, exercise_only
    _add(subparsers, "status", "run all the checks: where you stand, section by section", status)
    _add(subparsers, "next", "what to work on now", next_exercise)
    watching = _add(subparsers, "watch", "run the checks of the exercise at hand whenever you save the file", watch)
    watching.add_argument("--once", action="store_true", help="run them now and end")
    _add(subparsers, "check", "run the checks of an exercise or a section", check, everything)
    hinting = _add(subparsers, "hint", "a hint for an exercise; ask again for the next", hint, exercise)
    hinting.add_argument("--all", action="store_true", help="all three at once")
    _add(subparsers, "read", "open its place in the course's site, built by `make site`", read, everything)
    _add(subparsers, "show", "draw pictures with the functions that you have written", show, section_only)
    _add(subparsers, "dial", "quality against calls of the model, for every sampler that you have written", dial)
    making = _add(
        subparsers, "capstone", "static into digits: your functions of all seven sections as one system", capstone
    )
    making.add_argument(
        "--size", choices=("cpu", "gpu"), default="", help="some minutes of one core, or a GPU (default: what is here)"
    )
    making.add_argument("--fresh", action="store_true", help="train anew, even where a training is kept")
    _add(subparsers, "solution", "the reference answer, once yours passes", solution, exercise)
    _add(
        subparsers, "reset", "put the stub of an exercise or a section back, keeping a copy of yours", reset, everything
    )


def _add(subparsers, name, about, run, target=None) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
    if target is not None:
        parser.add_argument("name", metavar="NAME", type=target, help="an exercise (q_sample) or section (s1)")
    parser.set_defaults(run=run)
    return parser


def exercise_or_section(name: str) -> Exercise | Section:
    """What is called `name`; a section may be called by the beginning of its stem, s1.

    Raises:
        argparse.ArgumentTypeError: nothing is.
    """
    found: dict[str, Exercise | Section] = {}
    for stem, section in sections().items():
        found |= {stem: section, stem.split("_")[0]: section, **section.exercises}
    if name not in found:
        near = difflib.get_close_matches(name, found, n=3, cutoff=0.5)
        advice = f"did you mean {' or '.join(near)}?" if near else "`unstatic status` lists the exercises"
        raise argparse.ArgumentTypeError(f"no exercise or section is called {name!r}; {advice}")
    return found[name]


def exercise_only(name: str) -> Exercise:
    found = exercise_or_section(name)
    if isinstance(found, Section):
        raise argparse.ArgumentTypeError(
            f"{name!r} is a section; name one of its exercises: {', '.join(found.exercises)}"
        )
    return found


def section_only(name: str) -> Section:
    found = exercise_or_section(name)
    return sections()[found.section] if isinstance(found, Exercise) else found


def status(options: argparse.Namespace) -> int:
    from grader.desk import practice

    return practice.status()


def next_exercise(options: argparse.Namespace) -> int:
    from grader.desk import practice

    return practice.next_exercise()


def watch(options: argparse.Namespace) -> int:
    from grader.desk.watch import watch as watching

    return watching(once=options.once)


def check(options: argparse.Namespace) -> int:
    from grader.desk import practice

    return practice.check(options.name)


def show(options: argparse.Namespace) -> int:
    from grader.desk import practice

    return practice.show(options.name)


def dial(options: argparse.Namespace) -> int:
    from grader.desk import practice

    return practice.dial()


def capstone(options: argparse.Namespace) -> int:
    from grader.desk import practice

    return practice.capstone(options.size, options.fresh)


def hint(options: argparse.Namespace) -> int:
    exercise: Exercise = options.name
    given = _hints_given()
    number = min(given.get(exercise.name, 0) + 1, len(exercise.hints))
    for index in range(len(exercise.hints)) if options.all else [number - 1]:
        print(f"hint {index + 1} of {len(exercise.hints)}: {exercise.hints[index]}")
    if number == len(exercise.hints) or options.all:
        print(f"More is in {places.told(exercise)}")
    else:
        print(f"Again `unstatic hint {exercise.name}` for the next.")
    _remember_hints(given | {exercise.name: len(exercise.hints) if options.all else number})
    return 0


def read(options: argparse.Namespace) -> int:
    """Open an exercise's place, or a section's page, in this copy's site; without a network."""
    try:
        address = places.address(options.name)
    except FileNotFoundError as error:
        print(f"unstatic: {error}", file=sys.stderr)
        return 1
    opened = webbrowser.open(address)
    print(address if opened else f"No browser could be started. Open this in one: {address}")
    return 0


def _hints_given() -> dict[str, int]:
    try:
        return json.loads((STATE / "hints.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}


def _remember_hints(given: dict[str, int]) -> None:
    STATE.mkdir(exist_ok=True)
    (STATE / "hints.json").write_text(json.dumps(given, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def solution(options: argparse.Namespace) -> int:
    exercise: Exercise = options.name
    reference = sections()[exercise.section].solution
    if not reference.is_file():
        print(
            "Our answers are not in this release of the course. Ask your instructor: they may show them when the section is over."
        )
        return 1
    from grader.desk import practice

    if not practice.passes(exercise):
        print(f"The reference answer opens once your {exercise.name} passes; it does not yet.")
        print(f"`unstatic check {exercise.name}` says why, `unstatic hint {exercise.name}` helps.")
        return 1
    lines = _lines_of(exercise.name, reference.read_text(encoding="utf-8"))
    text = "\n".join(line for line in lines if line.strip() not in (BEGIN, END))
    if sys.stdout.isatty():
        Console().print(Syntax(text, "python", theme="ansi_light", background_color="default"))
    else:
        print(text)
    return 0


def reset(options: argparse.Namespace) -> int:
    exercise = options.name if isinstance(options.name, Exercise) else None
    section: Section = sections()[exercise.section] if exercise else options.name
    where = section.stub.relative_to(ROOT).as_posix()
    if not section.solution.is_file() and not section.pristine.is_file():
        print(f"The stubs cannot be made in this release of the course: take {where} from where you got it.")
        return 1
    from grader.source.stubs import render

    text = render(section)
    if exercise and section.stub.is_file():
        text = _with_stub_of(exercise.name, section, text)
    if exercise and not text:
        print(f"{exercise.name} cannot be found in {where}: `unstatic reset {section.stem}` resets all of it.")
        return 1
    if section.stub.is_file():
        print(f"Yours is kept in {_keep(section)}")
    section.stub.write_text(text, encoding="utf-8")
    print(f"{exercise.name if exercise else 'Every exercise'} of {where} is a stub again.")
    return 0


def _with_stub_of(name: str, section: Section, stub: str) -> str:
    """The learner's module with the stub in the place of one exercise; "" if that cannot be found there."""
    try:
        mine = section.stub.read_text(encoding="utf-8-sig")
        first, last = _extent(mine, name)
    except (SyntaxError, ValueError, LookupError):
        return ""
    lines = mine.split("\n")
    return "\n".join([*lines[:first], *_lines_of(name, stub), *lines[last:]])


def _lines_of(name: str, source: str) -> list[str]:
    first, last = _extent(source, name)
    return source.split("\n")[first:last]


def _extent(source: str, name: str) -> tuple[int, int]:
    """The lines, as a slice, of the last top-level function or class of this name: the one that counts.

    Raises:
        LookupError: there is none.
    """
    kinds = ast.FunctionDef | ast.ClassDef
    nodes = [node for node in ast.parse(source).body if isinstance(node, kinds) and node.name == name]
    if not nodes:
        raise LookupError(name)
    first = min([nodes[-1].lineno, *(decorator.lineno for decorator in nodes[-1].decorator_list)])
    return first - 1, nodes[-1].end_lineno or first


def _keep(section: Section) -> str:
    """Copy the learner's module to a name of its own; returns the copy's path within the course."""
    folder = STATE / "kept"
    folder.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.glob(f"{section.stem}-*.py"))) + 1
    copy = folder / f"{section.stem}-{number}.py"
    copy.write_bytes(section.stub.read_bytes())
    return copy.relative_to(ROOT).as_posix()
