"""The learner's commands that run the learner's code: status, next, watch, check, show."""

import importlib
import sys
import time

from rich.console import RenderableType
from rich.text import Text

from grader.course import ROOT, Exercise, Section, section, sections
from grader.desk import board
from grader.desk.desk import Desk, tidy
from grader.desk.progress import FAIL, PASS, Progress
from grader.source.stubs import holds_answers

POLL = 0.3
"""Seconds between two looks at the files."""


def tell(what: RenderableType) -> None:
    """Print in colour on a terminal, plain elsewhere."""
    print(board.rendered(what, color=sys.stdout.isatty()), end="", flush=True)


def status() -> int:
    progress = Progress()
    standings = [progress.attempt(name) for of in sections().values() for name in of.exercises]
    tell(board.overview(progress, standings))
    return 0


def next_exercise() -> int:
    progress = Progress()
    exercise = progress.next(_begin())
    tell(board.closing(progress, exercise))
    if exercise is not None and progress.readable(exercise.section):
        tell(board.about(exercise))
    return 0


def _begin() -> Exercise:
    """Where to look for the exercise at hand: the section that was saved last of those that hold answers."""
    begun = [of for of in sections().values() if holds_answers(of) and of.stub.is_file()]
    at_hand = max(begun, key=lambda of: of.stub.stat().st_mtime) if begun else next(iter(sections().values()))
    return next(iter(at_hand.exercises.values()))


def watch(once: bool = False) -> int:
    """Run the checks of the exercise at hand now, and again whenever a file of the learner's is saved."""
    seen, at_hand = None, None
    try:
        while True:
            stamps = [of.stub.stat().st_mtime_ns if of.stub.is_file() else 0 for of in sections().values()]
            if stamps != seen:
                seen = stamps
                if sys.stdout.isatty() and not once:
                    print("\033[H\033[2J", end="")  # clear the screen
                at_hand = _look(at_hand)
                if not once:
                    print("watching; Ctrl-C ends")
            if once:
                return 0 if at_hand is None else 1
            time.sleep(POLL)
    except KeyboardInterrupt:
        return 0


def _look(before: Exercise | None) -> Exercise | None:
    """Show the exercise at hand, and say so if the one before passes now."""
    progress = Progress()
    if before is not None and progress.passes(before.name):
        tell(Text(f"✓ {before.name} passes", style="green"))
    exercise = progress.next(_begin())
    if exercise is None:
        tell(board.closing(progress, exercise))
    elif not progress.readable(exercise.section):
        tell(board.unread(section(exercise.section), progress))
    elif progress.standing(exercise.name).state == FAIL:
        tell(board.failure(progress, progress.standing(exercise.name)))
    else:
        tell(board.next_up(exercise))
    return exercise


def check(what: Exercise | Section) -> int:
    progress = Progress()
    names = [what.name] if isinstance(what, Exercise) else list(what.exercises)
    standings = [progress.attempt(name) for name in names]
    tell(board.summary(progress, standings))
    return 0 if all(standing.state == PASS for standing in standings) else 1


def passes(exercise: Exercise) -> bool:
    return Progress().passes(exercise.name)


def show(of: Section) -> int:
    """Draw what the learner's functions can draw by now into pictures/<stem>.png."""
    from exercises.toolkit import plots  # matplotlib takes a second

    progress = Progress()
    if not progress.readable(of.stem):
        tell(board.unread(of, progress))
        return 1
    gallery = importlib.import_module(f"exercises.gallery.{of.stem}").PICTURES
    ready = []
    for picture in gallery:
        if lacking := [name for name in picture.needs if not progress.passes(name)]:
            print(f"· {picture.title}: left out until {', '.join(lacking)} pass")
        else:
            print(f"✓ {picture.title}")
            ready.append(picture)
    if not ready:
        tell(board.closing(progress, progress.next(next(iter(of.exercises.values())))))
        return 0
    figure, parts = plots.rows(len(ready))
    with tidy():
        for picture, part in zip(ready, parts, strict=True):
            picture.draw(Desk(progress.module(of.stem)), part)
    path = plots.save(figure, ROOT / "pictures" / f"{of.stem}.png")
    print(f"See {path.relative_to(ROOT).as_posix()}")
    return 0
