"""The learner's commands that run the learner's code: status, next, check, show, dial."""

import importlib
import sys
from typing import Any

from rich.console import RenderableType

from grader.checks.state import tidy
from grader.checks.under_test import UnderTest
from grader.course import ROOT, Exercise, Section, sections
from grader.desk import terminal
from grader.desk.progress import PASS, Progress
from grader.source.stubs import holds_answers


def tell(what: RenderableType) -> None:
    """Print in colour on a terminal, plain elsewhere."""
    print(terminal.rendered(what, color=sys.stdout.isatty()), end="", flush=True)


def status() -> int:
    progress = Progress()
    standings = [progress.attempt(name) for of in sections().values() for name in of.exercises]
    tell(terminal.overview(progress, standings))
    return 0


def next_exercise() -> int:
    progress = Progress()
    exercise = progress.next(begin())
    tell(terminal.closing(progress, exercise))
    if exercise is not None and progress.readable(exercise.section):
        tell(terminal.about(exercise))
    return 0


def begin() -> Exercise:
    """Where to look for the exercise at hand: the section that was saved last of those that hold answers."""
    begun = [of for of in sections().values() if holds_answers(of) and of.stub.is_file()]
    at_hand = max(begun, key=lambda of: of.stub.stat().st_mtime) if begun else next(iter(sections().values()))
    return next(iter(at_hand.exercises.values()))


def check(what: Exercise | Section) -> int:
    progress = Progress()
    names = [what.name] if isinstance(what, Exercise) else list(what.exercises)
    standings = [progress.attempt(name) for name in names]
    tell(terminal.summary(progress, standings))
    return 0 if all(standing.state == PASS for standing in standings) else 1


def passes(exercise: Exercise) -> bool:
    return Progress().passes(exercise.name)


def show(of: Section) -> int:
    """Draw what the learner's functions can draw by now into pictures/<stem>.png."""
    from exercises.toolkit import plots  # matplotlib takes a second

    progress = Progress()
    if not progress.readable(of.stem):
        tell(terminal.unread(of, progress))
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
        tell(terminal.closing(progress, progress.next(next(iter(of.exercises.values())))))
        return 0
    figure, parts = plots.rows(len(ready))
    with tidy():
        for picture, part in zip(ready, parts, strict=True):
            picture.draw(UnderTest(progress.module(of.stem)), part)
    path = plots.save(figure, ROOT / "pictures" / f"{of.stem}.png")
    print(f"See {path.relative_to(ROOT).as_posix()}")
    return 0


def dial() -> int:
    """Turn the step-count dial with what the learner has solved: a table, and pictures/dial.png."""
    from exercises.dial import poster, readings, solvable, table

    progress = Progress()
    solved = {of.stem: _solved(progress, of) for of in sections().values() if progress.readable(of.stem)}
    _, ready, _ = solvable(solved)
    if not ready:
        print(
            "The dial needs a sampler that passes with all it uses: `sample`, `ddim_sample`, `euler_sample` or another."
        )
        tell(terminal.closing(progress, progress.next(begin())))
        return 0
    print(f"Turning the dial for {len(ready)} samplers; with all of them that takes some minutes.")
    with tidy():
        found = list(readings(solved, told=lambda what: print(f"  {what}", flush=True)))
        print(table(found, solved))
        path = ROOT / "pictures" / "dial.png"
        path.parent.mkdir(exist_ok=True)
        poster(found, solved).savefig(path, dpi=110)
    print(f"See {path.relative_to(ROOT).as_posix()}")
    return 0


def _solved(progress: Progress, of: Section) -> dict[str, Any]:
    """The learner's functions of a section that pass, with all that they need."""

    def passes_with_needs(name: str) -> bool:
        return progress.passes(name) and all(map(passes_with_needs, of.exercises[name].needs))

    module = progress.module(of.stem)
    return {name: getattr(module, name) for name in of.exercises if passes_with_needs(name)}
