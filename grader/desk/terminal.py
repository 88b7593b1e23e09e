"""How standings look on the terminal: marks while the checks run, a few lines for a failure, a table, what is next."""

import io
import linecache
import shutil
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from grader.checks.collect import collect
from grader.course import ROOT, Exercise, Section, section, sections
from grader.desk.progress import BLOCKED, FAIL, PASS, UNFINISHED, UNREAD, Progress, Standing
from grader.site import places

MARKS = {
    PASS: ("✓", "green"),
    FAIL: ("✗", "red"),
    UNFINISHED: ("·", "dim"),
    BLOCKED: ("◦", "yellow"),
    UNREAD: ("✗", "red"),
}
FULLY_TOLD = 3
"""So many failing exercises are told in full; the others are named."""
WIDTH = 100
BLANK = Text("")


@dataclass(frozen=True)
class Reward:
    """A test that gives no points.

    Attributes:
        stem: its section.
        title: "end to end" or "shortcut".
        outcome: pytest's "passed", "failed" or "skipped".
        says: what it found, or why it was skipped.
    """

    stem: str
    title: str
    outcome: str
    says: str


def summary(
    progress: Progress, standings: Sequence[Standing], rewards: Sequence[Reward] = (), everything: bool = False
) -> RenderableType:
    """The end of a run: what fails and why, then where the learner stands."""
    stems = list(dict.fromkeys(standing.exercise.section for standing in standings))
    broken = [unread(section(stem), progress) for stem in stems if not progress.readable(stem)]
    return Group(*broken, failures(progress, standings, everything), overview(progress, standings, rewards))


def overview(progress: Progress, standings: Sequence[Standing], rewards: Sequence[Reward] = ()) -> RenderableType:
    """A table for each section, the rewards, and what is next."""
    upcoming = progress.next()
    at_hand = upcoming.section if upcoming else ""
    told = [one for one in rewards if not _waits(one) or (one.stem == at_hand and one.title != "shortcut")]
    return Group(tables(standings, at_hand), *_rewards(told), closing(progress, upcoming))


def tables(standings: Sequence[Standing], at_hand: str = "") -> RenderableType:
    """A table for each section; of one that is not begun, nor at hand, the first line only."""
    parts: list[RenderableType] = []
    for stem, of in sections().items():
        own = [standing for standing in standings if standing.exercise.section == stem]
        if not own or own[0].state == UNREAD:
            continue
        shown = stem == at_hand or len(own) == len(standings) or any(one.state != UNFINISHED for one in own)
        parts += [table(of, own), BLANK] if shown else [heading(of, own)]
    if parts and parts[-1] is not BLANK:
        parts.append(BLANK)
    return Group(*parts)


def _rewards(rewards: Sequence[Reward]) -> list[RenderableType]:
    grid = Table.grid(padding=(0, 2))
    for reward in rewards:
        state = {"passed": PASS, "failed": FAIL, "skipped": UNFINISHED}[reward.outcome]
        grid.add_row(mark(state), Text(reward.title, no_wrap=True), Text(reward.says, style="dim"))
    return [Padding(grid, (0, 0, 0, 2)), Text("")] if rewards else []


def _waits(reward: Reward) -> bool:
    return reward.outcome == "skipped" and reward.says.startswith("waits for")


def closing(progress: Progress, upcoming: Exercise | None) -> RenderableType:
    """The last words."""
    if upcoming is None:
        return Text("All exercises pass.", style="bold green")
    if not progress.readable(upcoming.section):
        return Text(f"next: mend {_relative(section(upcoming.section).stub)}", style="bold")
    return next_up(upcoming)


def nothing_matches(keyword: str) -> RenderableType:
    """Nothing was run."""
    names = [name for of in sections().values() for name in of.exercises]
    return Text(f"No check matches {keyword!r}. The exercises are {', '.join(names)}.")


def mark(state: str) -> Text:
    return Text(*MARKS[state])


def rendered(what: RenderableType, color: bool) -> str:
    """The text of a renderable, for output that is not rich's."""
    stream = io.StringIO()
    width = min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns)
    console = Console(
        file=stream, width=width, force_terminal=color, no_color=not color, highlight=False, force_jupyter=False
    )
    console.print(what)
    return "\n".join(line.rstrip() for line in stream.getvalue().split("\n"))


def failures(progress: Progress, standings: Sequence[Standing], everything: bool = False) -> RenderableType:
    """The exercises that fail, each in a few lines."""
    wrong = [standing for standing in standings if standing.state == FAIL]
    told = wrong if everything else wrong[:FULLY_TOLD]
    parts: list[RenderableType] = [failure(progress, standing, everything) for standing in told]
    if rest := wrong[len(told) :]:
        names = ", ".join(standing.exercise.name for standing in rest)
        parts.append(Text(f"Also wrong: {names}. `unstatic check {rest[0].exercise.name}` says why.\n"))
    return Group(*parts)


def failure(
    progress: Progress, standing: Standing, everything: bool = False, place: str | None = None
) -> RenderableType:
    """What the first failing check of an exercise found, or all of them, and the known mistake that it looks like.

    Where the exercise is, is told by `place`; by default it is the learner's file.
    """
    of = section(standing.exercise.section)
    place = place or f"{_relative(of.stub)}{_line(standing.exercise, of)}"
    head = Text.assemble(mark(FAIL), " ", (standing.exercise.name, "bold"), f" — {_count(standing)} — {place}")
    parts: list[RenderableType] = [head]
    for finding in standing.findings if everything else standing.findings[:1]:
        lines = [("check", _sentence(finding.check, standing.exercise)), *finding.lines]
        parts += [_facts(lines)] if not everything else [_facts(lines), Text("")]
    if (mistake := progress.mistake(standing)) is not None:
        parts.append(_facts([("looks like", f"{mistake.name}: {mistake.explanation}")]))
    return Group(*parts, Text(""))


def _sentence(name: str, exercise: Exercise) -> str:
    check = next((check for check in collect(exercise.section) if check.name == name), None)
    return check.sentence if check else name


def _facts(lines: list[tuple[str, str]]) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True, min_width=10)
    grid.add_column(overflow="fold")
    for label, text in lines:
        grid.add_row(Text(label), Text(" ".join(text.split()) if label != "printed" else text))
    return Padding(grid, (0, 0, 0, 4))


def unread(section: Section, progress: Progress) -> RenderableType:
    """Why the learner's module could not be imported, once."""
    error = progress.module(section.stem)
    assert isinstance(error, BaseException)
    head = Text.assemble(mark(UNREAD), " ", (_relative(section.stub), "bold"), " — none of its checks could run")
    message = "".join(traceback.format_exception_only(error)[-1:]).strip()
    if isinstance(error, FileNotFoundError):
        lines = [("missing", f"there is no such file: `unstatic reset {section.stem}` puts the stub there")]
    else:
        lines = [("raised", message), *_import_place(section, error)]
    return Group(head, _facts(lines), Text(""))


def _import_place(section: Section, error: BaseException) -> list[tuple[str, str]]:
    line = error.lineno if isinstance(error, SyntaxError) and error.filename == str(section.stub) else None
    for entry in traceback.extract_tb(error.__traceback__):
        if entry.filename == str(section.stub):
            line = entry.lineno
    if not line:
        return []
    return [("at", f"{_relative(section.stub)}:{line}:  {linecache.getline(str(section.stub), line).strip()}")]


def _relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def table(section: Section, standings: Sequence[Standing]) -> RenderableType:
    """A line for each exercise, and the points."""
    grid = Table.grid(padding=(0, 2))
    for justify in ("left", "left", "right", "left"):
        grid.add_column(justify=justify, no_wrap=justify == "right")
    for standing in standings:
        exercise = standing.exercise
        points = "" if standing.partial else f"{standing.points:g}/{exercise.points:g}"
        grid.add_row(mark(standing.state), exercise.name, points, Text(_word(standing), style="dim"))
    return Group(heading(section, standings), Padding(grid, (0, 0, 0, 2)))


def heading(section: Section, standings: Sequence[Standing]) -> Text:
    """The section's title and its points so far, or those of the exercises that were asked for."""
    earned, points = sum(one.points for one in standings), sum(one.exercise.points for one in standings)
    asked = "" if len(standings) == len(section.exercises) else " asked for"
    return Text.assemble((section.title, "bold"), f"  {section.stem}  {earned:g} of {points:g} points{asked}")


def _word(standing: Standing) -> str:
    if standing.partial:
        return f"passes {standing.ran} of its {standing.total} checks; the others were not asked for"
    if standing.state == BLOCKED:
        return f"waits for {standing.waits_for}"
    return {PASS: "", FAIL: _count(standing), UNFINISHED: "to do", UNREAD: "cannot be read"}[standing.state]


def _count(standing: Standing) -> str:
    failed, total = len(standing.findings), max(standing.ran, standing.total)
    if failed == total:
        return f"all of its {total} checks fail" if total > 1 else "its check fails"
    return f"{failed} of its {total} checks {'fails' if failed == 1 else 'fail'}"


def about(exercise: Exercise) -> RenderableType:
    """What the course file says of an exercise."""
    effort = f"about {exercise.minutes} minutes, {exercise.difficulty}, {exercise.points:g} points"
    return _facts([("what", effort), ("source", exercise.paper), ("equation", exercise.equation)])


def next_up(exercise: Exercise) -> RenderableType:
    """What to do next, and what helps with it."""
    of = section(exercise.section)
    lines = [
        ("write", f"{_relative(of.stub)}{_line(exercise, of)}"),
        ("read", places.told(exercise)),
        ("hint", f"unstatic hint {exercise.name}"),
    ]
    head = Text.assemble(("next: ", "bold"), (exercise.name, "bold cyan"), f" — {exercise.title}")
    return Group(head, _facts(lines))


def _line(exercise: Exercise, section: Section) -> str:
    """Where the exercise begins in the learner's file, as ":12"."""
    for number, line in enumerate(section.stub.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if line.startswith((f"def {exercise.name}(", f"class {exercise.name}(", f"class {exercise.name}:")):
            return f":{number}"
    return ""
