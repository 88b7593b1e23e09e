"""`unstatic show`: pictures from the learner's own functions, with ours in grey where theirs are not right yet.

A picture's function says what is to be seen as data (`exercises.toolkit.plots.Drawing`), for the learner's code and for the
reference alike. Where the solutions are absent, as in a student release, the learner's are drawn alone.
"""

import importlib
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from matplotlib.figure import Figure

from exercises.gallery import Picture
from exercises.toolkit import plots
from exercises.toolkit.plots import Drawing
from grader.checks.state import tidy
from grader.checks.under_test import UnderTest
from grader.course import ROOT, Section, sections
from grader.desk import patience, terminal
from grader.desk.progress import BLOCKED, FAIL, Progress
from grader.faults import RanOn
from grader.findings import examine


@dataclass(frozen=True)
class Shown:
    """A picture as it will be drawn.

    Attributes:
        drawing: what is to be seen; None where there is nothing.
        ours: what stands in grey behind or beside it.
        note: what is said of it, in the picture and in the terminal.
        wrong: the exercise that is the cause, "" if none is wrong.
    """

    drawing: Drawing | None
    ours: Drawing | None = None
    note: str = ""
    wrong: str = ""


def show(of: Section) -> int:
    """Draw what the learner's functions can draw by now into pictures/<stem>.png."""
    progress = Progress()
    if not progress.readable(of.stem):
        terminal.tell(terminal.unread(of, progress))
        return 1
    ready: list[Shown] = []
    for picture in importlib.import_module(f"exercises.gallery.{of.stem}").PICTURES:
        shown = shown_of(picture, of, progress)
        mark = "✗" if shown.wrong else "✓" if shown.drawing else "·"
        print(f"{mark} {picture.title}" + (f": {shown.note}" if shown.note else ""), flush=True)
        if shown.drawing is not None:
            ready.append(shown)
    for name in dict.fromkeys(shown.wrong for shown in ready if shown.wrong):
        print(f"`unstatic check {name}` says what is wrong with {name}.")
    if not ready:
        terminal.tell(terminal.closing(progress, progress.next(next(iter(of.exercises.values())))))
        return 0
    progress.memory.flush()
    figure, parts = plots.stack([shown.drawing.height(shown.ours is not None) for shown in ready if shown.drawing])
    for shown, part in zip(ready, parts, strict=True):
        assert shown.drawing is not None
        plots.draw(shown.drawing, shown.ours, shown.note, part)
    path = plots.save(figure, ROOT / "pictures" / f"{of.stem}.png")
    in_terminal(path)
    print(f"See {path.relative_to(ROOT).as_posix()}")
    return 0


def causes(progress: Progress, names: Iterable[str]) -> list[str]:
    """Of these exercises and what they wait for, those that do not pass by their own fault, in the order of the course."""
    found = set()
    for name in names:
        while not progress.passes(name):
            standing = progress.standing(name)
            if standing.state != BLOCKED or not standing.waits_for:
                found.add(name)
                break
            name = standing.waits_for
    order = [name for of in sections().values() for name in of.exercises]
    return sorted(found, key=order.index)


def in_terminal(path: Path) -> bool:
    """Show the picture where the terminal can (sixel, as iTerm2 has it too, or kitty's protocol) and `textual-image` is installed."""
    if not sys.stdout.isatty():
        return False
    try:
        from textual_image import renderable  # asks the terminal what it can
    except ImportError:
        return False
    if renderable.Image not in (renderable.SixelImage, renderable.TGPImage):
        return False
    from rich.console import Console

    Console().print(renderable.Image(path, width="auto", height="auto"))
    return True


def shown_of(picture: Picture, of: Section, progress: Progress) -> Shown:
    """What can be seen of a picture: the learner's; ours behind it where theirs is wrong; nothing where something is not written."""
    wrong = causes(progress, picture.needs)
    if unwritten := [name for name in wrong if progress.standing(name).state != FAIL]:
        verb = "passes" if len(unwritten) == 1 else "pass"
        return Shown(None, note=f"left out until {', '.join(unwritten)} {verb}")
    cause, reference = wrong[0] if wrong else "", _reference(of)
    ours = _drawn(picture, reference, of) if wrong and reference is not None else None
    yours = _drawn(picture, progress.module(of.stem), of)
    said = f"{' and '.join(wrong)} {'is' if len(wrong) == 1 else 'are'} not right yet" if wrong else ""
    if isinstance(ours, str):  # nobody's fault here, and ours to mend
        raise RuntimeError(f"the course's own picture {picture.title!r} cannot be drawn: {ours}")
    if isinstance(yours, Drawing) and (problem := _undrawable(yours, ours)):
        yours = problem
    if isinstance(yours, str):
        note = f"{said or 'yours cannot be drawn'}: {yours}"
        return Shown(ours, note=f"{note}; ours alone" if ours else note, wrong=cause or picture.needs[0])
    if not cause:
        return Shown(yours)
    return Shown(yours, ours, f"{said}: yours in colour" + (", ours in grey" if ours else ""), cause)


def _reference(of: Section) -> ModuleType | None:
    return importlib.import_module(f"solutions.{of.stem}") if of.solution.is_file() else None


def _drawn(picture: Picture, code: Any, of: Section) -> Drawing | str:
    """What is to be seen by this code, or why nothing is."""
    with tidy():
        try:
            with patience.within(patience.limit() * patience.LONGER):
                return picture.draw(UnderTest(code))
        except (Exception, RanOn) as error:
            return _why(error, of)


def _why(error: BaseException, of: Section) -> str:
    """An exception in one line: what was raised, and the learner's line if one was on the way."""
    facts = dict(examine(error, "", of).facts)
    said = facts.get("raised") or facts.get("because") or facts.get("found") or type(error).__name__
    line = facts.get("at", "").splitlines()[:1]
    return f"raised {said.splitlines()[0][:160]}" + (
        f", at {line[0].strip()}" if line and "call itself" not in line[0] else ""
    )


def _undrawable(yours: Drawing, ours: Drawing | None) -> str:
    """Why the learner's has no picture: a shape that is no set of points, say; "" if it has one."""
    try:
        plots.draw(yours, ours, on=Figure())
    except plots.UndrawableError as error:
        return str(error)
    except Exception as error:  # what came back is no tensor, or of other lengths than what it stands beside
        return f"what came back cannot be drawn ({type(error).__name__}: {str(error).splitlines()[0][:120] if str(error) else ''})"
    return ""
