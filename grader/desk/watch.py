"""`unstatic watch`: the checks of the exercise at hand, whenever a file is saved, and a key for everything else."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator

from rich.text import Text

from grader.course import Exercise, Section, section, sections
from grader.desk import practice, reading, restoring, terminal
from grader.desk.progress import FAIL, Progress, begin

POLL = 0.3
"""Seconds between two looks at the files."""
ESCAPE = "\x1b"
"""With it begins what a terminal sends for an arrow and its kin."""
SPECIAL = ("\x00", "\xe0")
"""With one of these begins what Windows gives for them; the second code may be a letter."""
KEYS = "n next · h hint · l list · c check all · s show · r reset · q quit"
Key = Callable[[float], str]
"""Waits so many seconds for a key, and gives it, or ""."""


def watch(begin_with: Exercise | Section | None = None, once: bool = False) -> int:
    """Run the checks of the exercise at hand now, and again whenever a file of the learner's is saved.

    Args:
        begin_with: the exercise that is at hand, or the section whose first to do is; by default where the learner has begun.
        once: end after the first look; the status then tells whether it passes.
    """
    if once:
        at_hand = Watch(lambda seconds: "", begin_with).look()
        return 1 if at_hand is not None and _is_in(at_hand, begin_with) else 0
    try:
        with keyboard() as key:
            Watch(key, begin_with).run()
    except KeyboardInterrupt:
        print("\nunstatic: watching no more")
    return 0


class Watch:
    """What is watched, and what the keys do.

    Args:
        key: waits for a key.
        begin_with: the exercise, or the section, that is looked at first.
    """

    def __init__(self, key: Key, begin_with: Exercise | Section | None = None) -> None:
        self._key = key
        self._chosen = self._at_hand = begin_with if isinstance(begin_with, Exercise) else None
        self._section = begin_with if isinstance(begin_with, Section) else None

    def run(self) -> None:
        """Look whenever something is saved, until `q`."""
        seen = None
        while True:
            if (stamps := _stamps()) != seen:
                seen = stamps
                if sys.stdout.isatty():
                    print("\033[H\033[2J", end="")  # clear the screen
                self.look()
                self._menu()
            pressed = self._key(POLL)
            if pressed == "q":
                return
            if self._act(pressed):
                self._menu()

    def look(self) -> Exercise | None:
        """Show the exercise at hand, whether the one before passes now, and how far it is; None if nothing is left to do."""
        with Progress() as progress:
            before = self._at_hand
            if before is not None and progress.passes(before.name):
                terminal.tell(Text(f"✓ {before.name} passes", style="green"))
            exercise = self._at_hand = self._to_do(progress)
            if exercise is None:
                terminal.tell(terminal.closing(progress, exercise))
            elif not progress.readable(exercise.section):
                terminal.tell(terminal.unread(section(exercise.section), progress))
            elif progress.known(exercise.name).state == FAIL:
                if not progress.standing(exercise.name).told:  # only remembered: what it found has to be found again
                    progress.attempt(exercise.name)
                terminal.tell(terminal.failure(progress, progress.standing(exercise.name)))
            else:
                terminal.tell(terminal.next_up(exercise, progress.standing(exercise.name)))
            if exercise is not None:
                terminal.tell(terminal.bar(progress, section(exercise.section)))
        return exercise

    def _to_do(self, progress: Progress) -> Exercise | None:
        """What was chosen, as long as it is to be done, and then what follows it in its section; else where the learner has begun."""
        of, chosen = self._section, self._chosen
        self._section = None
        if of is not None and (chosen := progress.first(of)) is None:
            terminal.tell(Text(f"✓ all exercises of {of.title} pass", style="green"))
        elif of is None and chosen is not None and progress.passes(chosen.name):
            following = progress.after(chosen)
            chosen = following if following is not None and following.section == chosen.section else None
        self._chosen = chosen
        return chosen or progress.next(begin())

    def _act(self, pressed: str) -> bool:
        """Do what a key stands for; False if it stands for nothing."""
        exercise = self._at_hand
        if pressed == "l":
            practice.status()
        elif pressed and exercise is None and pressed in "nhcsr":
            print("All exercises pass.")
        elif exercise is None:
            return False
        elif pressed == "n":
            self._move_on(exercise)
        elif pressed == "h":
            practice.tell_hint(exercise)
        elif pressed == "c":
            practice.check(section(exercise.section))
        elif pressed == "s":
            practice.show(section(exercise.section))
        elif pressed == "r":
            self._reset(exercise)
        else:
            return False
        return True

    def _move_on(self, exercise: Exercise) -> None:
        """To the next exercise that is open, after this one."""
        with Progress() as progress:
            self._chosen = progress.after(exercise)
        self._at_hand = None
        self.look()

    def _reset(self, exercise: Exercise) -> None:
        print(
            f"Reset {exercise.name}? A copy of yours is kept. Press r again, or anything else to leave it.", flush=True
        )
        pressed = ""
        while not pressed:
            pressed = self._key(POLL)
        if pressed != "r":
            print("It is left as it is.")
            return
        try:
            print(restoring.reset(exercise)[0])
        except (reading.Unreadable, OSError) as error:
            print(error)

    def _menu(self) -> None:
        print(f"watching; {KEYS}" if sys.stdin.isatty() else "watching; Ctrl-C ends", flush=True)


def _is_in(exercise: Exercise, asked: Exercise | Section | None) -> bool:
    """Whether an exercise is what was asked for, or belongs to it."""
    return exercise.section == asked.stem if isinstance(asked, Section) else asked in (None, exercise)


def _stamps() -> list[int]:
    return [reading.saved(of.stub) for of in sections().values()]


@contextlib.contextmanager
def keyboard() -> Iterator[Key]:
    """Single keys from the terminal; where there is none, only time passes."""
    if not sys.stdin.isatty():
        yield _no_key
    elif os.name == "nt":
        yield _windows_keys()
    else:
        import termios
        import tty

        before = termios.tcgetattr(sys.stdin)
        try:
            tty.setcbreak(sys.stdin)
            yield _posix_key
        finally:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _no_key(seconds: float) -> str:
    time.sleep(seconds)
    return ""


def _posix_key(seconds: float) -> str:
    import select

    if not select.select([sys.stdin], [], [], seconds)[0]:
        return ""
    read = os.read(sys.stdin.fileno(), 1).decode("ascii", "replace").lower()
    if read == ESCAPE:  # and what follows belongs to it: an arrow is no key of ours
        while select.select([sys.stdin], [], [], 0)[0] and os.read(sys.stdin.fileno(), 64):
            pass
        return ""
    return read or "q"  # the terminal is gone


def _windows_keys() -> Key:
    """The second code of an arrow is left out whenever it comes: `kbhit` need not tell of it before another key is pressed.

    To wait for it there would end the watching where an à was typed, which is the same code without a second.
    """
    import msvcrt

    begun = False

    def key(seconds: float) -> str:
        nonlocal begun
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if not msvcrt.kbhit():  # type: ignore[attr-defined]
                time.sleep(0.05)
                continue
            read = msvcrt.getwch()  # type: ignore[attr-defined]
            if not begun and read not in SPECIAL:
                return read.lower()
            begun = not begun
        return ""

    return key
