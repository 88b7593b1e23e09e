"""The learner's commands: their words, and what needs no code of the learner's to be run: hint, solution, reset.

Those that run it are in `grader.desk.practice`, which is imported when one is used. Without a name they take the exercise at hand.
"""

import argparse
import io
import sys
from collections.abc import Callable, Sequence

from grader.course import CourseError, Exercise, Section, sections
from grader.desk import asking, restoring
from grader.desk.reading import Unreadable
from grader.site import places

NAMES = ("status", "next", "watch", "check", "hint", "read", "show", "dial", "capstone", "solution", "reset")
REMEMBERED = "what was judged so far is remembered, and your files are as they were"
UNTOUCHED = "your files are as they were"
NAMED = "an exercise (q_sample) or section (s1); without one, the exercise at hand"
SECTION_AT_HAND = "a section (s1), whose first exercise to do is named; without one, the exercise at hand"
BEGIN_WITH = "the exercise (q_sample) or section (s1) to begin with; without one, the exercise at hand"


class Usage(ValueError):
    """Something that a command cannot mean; exit status 2."""


Run = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str]) -> int:
    """Run a learner's command and return its exit status; without any, show the exercise at hand."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a locale without our symbols is no reason to end in an error
    parser = argparse.ArgumentParser(prog="unstatic", description="A graded course in diffusion models.")
    add_commands(parser.add_subparsers(title="commands", metavar="COMMAND", required=True))
    try:
        options = parser.parse_args(arguments or ["next"])
        status: int = options.run(options)
    except (CourseError, Usage) as error:
        print(f"unstatic: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        raise
    except OSError as error:
        print(f"unstatic: {error}", file=sys.stderr)
        return 1
    if not arguments:
        print(
            "\n`unstatic check` runs its checks, `unstatic watch` whenever you save; `unstatic --help` lists the rest."
        )
    return status


def add_commands(subparsers: argparse._SubParsersAction) -> None:
    """Register the commands; each sets `run`, a function from the options to the exit status."""
    everything, exercise = exercise_or_section, exercise_only
    _add(subparsers, "status", "where you stand, section by section", status, REMEMBERED)
    about = "what to work on now"
    _add(subparsers, "next", about, next_exercise, REMEMBERED, section_only, example="s1", what=SECTION_AT_HAND)
    about = "run the checks of the exercise at hand whenever you save the file"
    watching = _add(subparsers, "watch", about, watch, target=everything, what=BEGIN_WITH)
    watching.add_argument("--once", action="store_true", help="run them now and end")
    checking = _add(subparsers, "check", "run the checks of an exercise or a section", check, REMEMBERED, everything)
    checking.add_argument(
        "--seconds", type=float, metavar="N", help="wait so long for an answer; 0 for as long as it takes"
    )
    hinting = _add(subparsers, "hint", "a hint for an exercise; ask again for the next", hint, REMEMBERED, exercise)
    hinting.add_argument("--all", action="store_true", help="all three at once")
    _add(subparsers, "read", "open its place in the course's site, built by `make site`", read, REMEMBERED, everything)
    about = "draw pictures with the functions that you have written"
    _add(subparsers, "show", about, show, "no picture was drawn", section_only, example="s1")
    about = "quality against calls of the model, for every sampler that you have written"
    _add(subparsers, "dial", about, dial, "no picture was drawn")
    about = "static into digits: your functions of all seven sections as one system"
    making = _add(subparsers, "capstone", about, capstone, "what is learned is kept, and the same command goes on")
    making.add_argument(
        "--size", choices=("cpu", "gpu"), default="", help="some minutes of one core, or a GPU (default: what is here)"
    )
    making.add_argument("--fresh", action="store_true", help="train anew, even where a training is kept")
    about = "the reference answer beside yours, once yours passes"
    _add(subparsers, "solution", about, solution, REMEMBERED, exercise)
    about = "put the stub of an exercise or a section back, keeping a copy of yours"
    resetting = _add(subparsers, "reset", about, reset, UNTOUCHED, everything)
    resetting.add_argument("--undo", action="store_true", help="put back what was there before the last reset")


def _add(
    subparsers: argparse._SubParsersAction,
    name: str,
    about: str,
    run: Run,
    stopped: str = UNTOUCHED,
    target: Callable[[str], object] | None = None,
    example: str = "q_sample",
    what: str = NAMED,
) -> argparse.ArgumentParser:
    shown = f"unstatic {name}{f' {example}' if target else ''}"
    sentence = f"{about[0].upper()}{about[1:]}."
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name, help=about, description=sentence, epilog=f"example: {shown}"
    )
    if target is not None:
        parser.add_argument("name", metavar="NAME", nargs="?", type=target, help=what)
    parser.set_defaults(run=_interruptible(run, stopped))
    return parser


def _interruptible(run: Run, stopped: str) -> Run:
    """A command that says what is true of it when Ctrl-C ends it."""

    def running(options: argparse.Namespace) -> int:
        from grader.desk.patience import LimitError

        try:
            return run(options)
        except LimitError as error:
            raise Usage(str(error)) from error
        except KeyboardInterrupt:
            print(f"unstatic: stopped; {stopped}", file=sys.stderr)
            return 130

    return running


def exercise_or_section(name: str) -> Exercise | Section:
    """What is called `name`; a section may be called by the beginning of its stem, s1.

    Raises:
        argparse.ArgumentTypeError: nothing is.
    """
    found = asking.names()
    if name not in found:
        raise argparse.ArgumentTypeError(f"no exercise or section is called {name!r}; {asking.advice(name)}")
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

    return practice.next_exercise(options.name)


def watch(options: argparse.Namespace) -> int:
    from grader.desk.watch import watch as watching

    return watching(options.name, once=options.once)


def check(options: argparse.Namespace) -> int:
    from grader.desk import patience, practice

    if options.seconds is not None:
        patience.set_limit(options.seconds)
    what = options.name or practice.at_hand()
    return practice.all_pass() if what is None else practice.check(what)


def show(options: argparse.Namespace) -> int:
    from grader.desk import practice

    if options.name is not None:
        return practice.show(options.name)
    exercise = practice.at_hand()
    return practice.show(sections()[exercise.section] if exercise else list(sections().values())[-1])


def dial(options: argparse.Namespace) -> int:
    from grader.desk import practice

    return practice.dial()


def capstone(options: argparse.Namespace) -> int:
    from grader.desk import practice

    return practice.capstone(options.size, options.fresh)


def hint(options: argparse.Namespace) -> int:
    from grader.desk import practice  # for which one is at hand; what is remembered says so without torch

    exercise = options.name or practice.at_hand()
    if exercise is None:
        return practice.all_pass()
    practice.tell_hint(exercise, every=options.all, named=options.name is not None)
    return 0


def read(options: argparse.Namespace) -> int:
    """Open an exercise's place, or a section's page, in this copy's site; without a network."""
    import webbrowser

    from grader.desk import practice

    what = options.name or practice.at_hand()
    if what is None:
        return practice.all_pass()
    try:
        address = places.address(what)
    except FileNotFoundError as error:
        print(f"unstatic: {error}", file=sys.stderr)
        return 1
    opened = webbrowser.open(address)
    print(address if opened else f"No browser could be started. Open this in one: {address}")
    return 0


def solution(options: argparse.Namespace) -> int:
    from grader.desk import practice

    exercise = options.name or practice.at_hand()
    if exercise is None:
        return practice.all_pass()
    if not sections()[exercise.section].solution.is_file():
        print(
            "Our answers are not in this release of the course. Ask your instructor: they may show them when the section is over."
        )
        return 1
    if why := practice.closed(exercise):
        print(f"The reference answer opens once your {exercise.name} passes; {why}.")
        print(f"`unstatic check {exercise.name}` says why, `unstatic hint {exercise.name}` helps.")
        return 1
    return practice.compare(exercise)


def reset(options: argparse.Namespace) -> int:
    if options.name is None and not options.undo:
        raise Usage("reset what? Name an exercise or a section, as in `unstatic reset q_sample`")
    try:
        said, done = restoring.undo(options.name) if options.undo else restoring.reset(options.name)
    except Unreadable as error:
        said, done = str(error), False
    print(said)
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
