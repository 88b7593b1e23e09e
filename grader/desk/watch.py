"""`unstatic watch`: the checks of the exercise at hand, whenever a file is saved."""

import sys
import time

from rich.text import Text

from grader.course import Exercise, section, sections
from grader.desk import terminal
from grader.desk.practice import begin, tell
from grader.desk.progress import FAIL, Progress

POLL = 0.3
"""Seconds between two looks at the files."""


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
    exercise = progress.next(begin())
    if exercise is None:
        tell(terminal.closing(progress, exercise))
    elif not progress.readable(exercise.section):
        tell(terminal.unread(section(exercise.section), progress))
    elif progress.standing(exercise.name).state == FAIL:
        tell(terminal.failure(progress, progress.standing(exercise.name)))
    else:
        tell(terminal.next_up(exercise))
    return exercise
