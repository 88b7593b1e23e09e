"""How standings look on the terminal: marks while the checks run, a few lines for a failure, a table, what is next."""

import io
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from grader.checks.sentences import ROOM, held
from grader.course import ROOT, Exercise, Section, section, sections
from grader.desk import asking, memory, reading
from grader.desk.progress import BLOCKED, FAIL, PASS, UNFINISHED, UNREAD, Progress, Standing, begin
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
BAR = 24
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


def overview(
    progress: Progress, standings: Sequence[Standing], rewards: Sequence[Reward] = (), effort: bool = False
) -> RenderableType:
    """A table for each section, with the `effort` that each exercise takes or without, the rewards, and what is next."""
    whole = len(standings) == sum(len(of.exercises) for of in sections().values())
    upcoming = progress.next(begin() if whole else None)
    at_hand = upcoming.section if upcoming else ""
    told = [one for one in rewards if not _waits(one) or (one.stem == at_hand and one.title != "shortcut")]
    stems = {standing.exercise.section for standing in standings} - {at_hand}
    ended = [] if whole or rewards else [section(stem) for stem in stems if progress.done(section(stem))]
    return Group(
        tables(progress, standings, at_hand, effort),
        *_rewards(told),
        *(Group(done(of), BLANK) for of in ended),
        closing(progress, upcoming),
    )


def tables(
    progress: Progress, standings: Sequence[Standing], at_hand: str = "", effort: bool = False
) -> RenderableType:
    """A table for each section; of one that is not begun, nor at hand, the first line only; of one that cannot be read, why."""
    parts: list[RenderableType] = []
    for stem, of in sections().items():
        own = [standing for standing in standings if standing.exercise.section == stem]
        if not own:
            continue
        if own[0].state == UNREAD:
            parts += [unread_line(of, progress), BLANK]
            continue
        shown = stem == at_hand or len(own) == len(standings) or any(one.state != UNFINISHED for one in own)
        parts += [table(of, own, effort), BLANK] if shown else [heading(of, own)]
    if parts and parts[-1] is not BLANK:
        parts.append(BLANK)
    return Group(*parts)


def _rewards(rewards: Sequence[Reward]) -> list[RenderableType]:
    grid = Table.grid(padding=(0, 2))
    for reward in dict.fromkeys(rewards):  # three that wait for the same say so once
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
        of = section(upcoming.section)
        return Group(Text(f"next: mend {reading.where(of)}", style="bold"), _why(progress.problem(of.stem), of))
    return next_up(upcoming, progress.standing(upcoming.name))


def done(of: Section) -> RenderableType:
    """A section all of whose exercises pass: what comes of them."""
    short = of.stem.split("_")[0]
    lines = [
        ("rewards", f"pytest exercises -k {short}"),
        ("pictures", f"unstatic show {short}"),
        ("predict", f"{of.lesson.relative_to(ROOT).as_posix()}#predict-then-run"),
    ]
    return Group(Text(f"All exercises of {of.title} ({of.stem}) pass."), _facts(lines))


def nothing_matches(keyword: str) -> RenderableType:
    """Nothing was run."""
    why = "There is no check in what was asked for."
    if keyword.strip():
        why = f"No check matches {keyword!r}; {asking.advice(keyword)}"
    return Text(f"{why}\n`pytest exercises` runs all checks, `pytest exercises -k q_sample` those of one exercise.")


def mark(state: str) -> Text:
    return Text(*MARKS[state])


def rendered(what: RenderableType, color: bool) -> str:
    """The text of a renderable, for output that is not rich's."""
    stream = io.StringIO()
    width = min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns)
    plain = None if color else True  # None: the environment's NO_COLOR decides
    console = Console(
        file=stream, width=width, force_terminal=color, no_color=plain, highlight=False, force_jupyter=False
    )
    console.print(what)
    return "\n".join(line.rstrip() for line in stream.getvalue().split("\n"))


def tell(what: RenderableType) -> None:
    """Print in colour on a terminal, plain elsewhere."""
    print(rendered(what, color=sys.stdout.isatty()), end="", flush=True)


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
    place = place or f"{reading.where(of)}{_line(standing.exercise, of)}"
    head = Text.assemble(mark(FAIL), " ", (standing.exercise.name, "bold"), f" — {_count(standing)} — {place}")
    parts: list[RenderableType] = [head]
    from grader.desk import trial  # what fails was tried

    if standing.passed:
        passed = [trial.sentence(check, standing.exercise) for check in standing.passed]
        parts.append(_facts([("holds", held(passed, _total(standing), 0 if everything else ROOM))]))
    all_hints = memory.hints_given().get(standing.exercise.name, 0) >= len(standing.exercise.hints)
    for finding in standing.told if everything else standing.told[:1]:
        finding.opened = all_hints
        lines = [("check", trial.sentence(finding.check, standing.exercise)), *finding.lines]
        if finding.withheld:
            lines.append(("formula", f"told here after the last hint: unstatic hint {standing.exercise.name}"))
        parts += [_facts(lines)] if not everything else [_facts(lines), Text("")]
    if standing.remark:
        parts.append(_facts([("note", standing.remark)]))
    if (mistake := progress.mistake(standing)) is not None:
        parts.append(_facts([("looks like", f"{mistake.name}: {mistake.explanation}")]))
    return Group(*parts, Text(""))


def _facts(lines: list[tuple[str, str]]) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True, min_width=10)
    grid.add_column(overflow="fold")
    for label, text in lines:
        grid.add_row(Text(label), Text(" ".join(text.split()) if label != "printed" else text))
    return Padding(grid, (0, 0, 0, 4))


def unread(section: Section, progress: Progress) -> RenderableType:
    """Why the learner's module could not be imported, once."""
    head = Text.assemble(
        mark(UNREAD), " ", (reading.where(section), "bold"), " — cannot be read: nothing of it could run"
    )
    return Group(head, _why(progress.problem(section.stem), section), Text(""))


def _why(problem: reading.Problem, of: Section) -> RenderableType:
    at = [("at", f"{reading.where(of)}:{problem.line}:  {problem.source}")] if problem.line else []
    return _facts([(problem.label, problem.text), *at])


def unread_line(of: Section, progress: Progress) -> RenderableType:
    """A section that cannot be read, in a list of sections: no points, and why."""
    problem, most = progress.problem(of.stem), sum(exercise.points for exercise in of.exercises.values())
    head = Text.assemble(mark(UNREAD), " ", (of.title, "bold"), f"  {of.stem}  cannot be read: 0 of {points(most)}")
    line = f"line {problem.line}: " if problem.line else ""
    return Group(head, Padding(Text(f"{line}{problem.text}", style="dim"), (0, 0, 0, 4)))


def table(section: Section, standings: Sequence[Standing], effort: bool = False) -> RenderableType:
    """A line for each exercise, and the points."""
    grid = Table.grid(padding=(0, 2))
    for column in ("mark", "name", "points", *(["effort"] if effort else []), "word"):
        right, narrow = column == "points", column in ("points", "effort")
        grid.add_column(justify="right" if right else "left", no_wrap=narrow)
    for standing in standings:
        exercise = standing.exercise
        points = "" if standing.partial else f"{standing.points:g}/{exercise.points:g}"
        word = Text(_word(standing), style="dim")
        takes = [Text(f"{exercise.minutes} min, {exercise.difficulty}", style="dim")] if effort else []
        grid.add_row(mark(standing.state), exercise.name, points, *takes, word)
    return Group(heading(section, standings), Padding(grid, (0, 0, 0, 2)))


def heading(section: Section, standings: Sequence[Standing]) -> Text:
    """The section's title and its points so far, or those of the exercises that were asked for."""
    earned, most = sum(one.points for one in standings), sum(one.exercise.points for one in standings)
    asked = "" if len(standings) == len(section.exercises) else " asked for"
    return Text.assemble((section.title, "bold"), f"  {section.stem}  {earned:g} of {points(most)}{asked}")


def _word(standing: Standing) -> str:
    if standing.partial:
        return f"passes {standing.ran} of its {standing.total} checks; the others were not asked for"
    if standing.state == BLOCKED:
        return f"waits for {standing.waits_for}"
    word = {PASS: "", FAIL: _count(standing), UNFINISHED: "to do", UNREAD: "cannot be read"}[standing.state]
    if standing.remark:
        return standing.remark if standing.state == UNFINISHED else "; ".join(filter(None, (word, standing.remark)))
    return word


def _count(standing: Standing) -> str:
    if standing.ran_on:
        return "runs on without an end"
    failed, total = len(standing.findings), _total(standing)
    if failed == total:
        return f"all of its {total} checks fail" if total > 1 else "its check fails"
    return f"{failed} of its {total} checks {'fails' if failed == 1 else 'fail'}"


def _total(standing: Standing) -> int:
    return max(standing.ran, standing.total)


def about(exercise: Exercise) -> RenderableType:
    """What the course file says of an exercise."""
    effort = f"about {exercise.minutes} minutes, {exercise.difficulty}, {points(exercise.points)}"
    return _facts([("what", effort), ("source", exercise.paper), ("equation", exercise.equation)])


def bar(progress: Progress, of: Section) -> RenderableType:
    """How far a section is, in one line."""
    standings = [progress.known(name) for name in of.exercises]
    done, earned = sum(one.state == PASS for one in standings), sum(one.points for one in standings)
    most, full = sum(one.exercise.points for one in standings), BAR * done // len(standings)
    counted = f"  {done} of {len(standings)} exercises, {earned:g} of {points(most)}  {of.stem}"
    return Text.assemble(("█" * full, "green"), ("░" * (BAR - full), "dim"), counted)


def next_up(exercise: Exercise, standing: Standing | None = None) -> RenderableType:
    """What to do next, and what helps with it."""
    of = section(exercise.section)
    note = [("note", standing.remark)] if standing is not None and standing.remark else []
    if standing is not None and standing.state == BLOCKED:
        note.append(("note", f"it uses {standing.waits_for}, which does not pass yet: begin there"))
    lines = [
        *note,
        ("write", f"{reading.where(of)}{_line(exercise, of)}"),
        ("read", places.told(exercise)),
        ("hint", f"unstatic hint {exercise.name}"),
    ]
    head = Text.assemble(("next: ", "bold"), (exercise.name, "bold cyan"), f" — {exercise.title}")
    return Group(head, _facts(lines))


def _line(exercise: Exercise, section: Section) -> str:
    """Where the exercise begins in the learner's file, as ":12"."""
    line = reading.line_of(exercise, section)
    return f":{line}" if line else ""


def points(number: float) -> str:
    """A number of points, in words."""
    return f"{number:g} point{'' if number == 1 else 's'}"
