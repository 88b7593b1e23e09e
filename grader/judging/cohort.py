"""Many submissions: what there is to grade, graded or taken from the store."""

import os
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from grader.course import section, sections
from grader.files import replace_file
from grader.intake.submission import Submission, fingerprint
from grader.judging import schedule
from grader.judging.conditions import OURS, Conditions
from grader.judging.results import Document, Row, document, plain_row
from grader.judging.schedule import Grading, Unit
from grader.judging.store import Key, Store, course_version


def _everywhere_ours(submission: str, stem: str) -> Conditions:
    return OURS


def _nothing(submission: str, exercise: str) -> bool:
    return False


@dataclass(frozen=True)
class Terms:
    """What is the same for all units of a run.

    Attributes:
        seed: what all inputs are drawn from.
        isolation: the level at which submissions run.
        store: what is kept.
        force: whether everything is graded again.
        conditions: under which a section (by stem) of a submission (by name) is judged.
        left_out: exercises that the course leaves out.
        again: whether this exercise of that submission (by name) is graded again, be it stored or not.
        before: the sections (by stem) that each submission (by name) was graded in, where a run is about those alone; of a submission
            that is not in it, those that it has.
        judges: makes what grades at a level of isolation; judges on this machine if None.
    """

    seed: int
    isolation: str
    store: Store
    force: bool = False
    conditions: Callable[[str, str], Conditions] = _everywhere_ours
    left_out: Collection[str] = ()
    again: Callable[[str, str], bool] = _nothing
    before: Mapping[str, Collection[str]] | None = None
    judges: Callable[[str], Grading] | None = None

    def key(self, unit: Unit) -> Key:
        every = tuple(section(unit.stem).exercises)
        only = () if unit.only == every else unit.only
        content = fingerprint(unit.submission, unit.stem)
        how = unit.conditions
        return Key(
            content,
            unit.stem,
            self.seed,
            course_version(),
            self.isolation,
            only,
            how.time,
            how.digest(unit.stem),
            how.charge_once,
        )

    def again_of(self, unit: Unit) -> tuple[str, ...]:
        """The exercises of a unit that are graded again."""
        return tuple(name for name in unit.only if self.again(unit.submission.name, name))

    def stored(self, unit: Unit) -> list[Row]:
        """The rows of a unit that need not be graded."""
        if self.force:
            return []
        rows = self.store.get(self.key(unit))
        return [row for row in rows if not self.again(unit.submission.name, row["exercise"])]


def units(submissions: Sequence[Submission], only: Sequence[str], terms: Terms | None = None) -> list[Unit]:
    """What is to be graded: the sections in each submission, or what `only` names (exercises and section stems).

    Of who handed in nothing that is nothing, and of what cannot be read at all what most of the others have.
    """
    left_out = terms.left_out if terms else ()
    conditions = terms.conditions if terms else _everywhere_ours
    asked = {stem: tuple(name for name in _asked(stem, only) if name not in left_out) for stem in sections()}
    usual = _usual(submissions)
    found = []
    for submission in submissions:
        present = _present(submission)
        if None in submission.problems and not submission.is_empty:
            present = usual
        if terms is not None and terms.before is not None:
            present = set(terms.before.get(submission.name, present))
        elif only and not submission.is_empty:
            present = set(sections())
        found += [
            Unit(submission, stem, asked[stem], conditions(submission.name, stem))
            for stem in sections()
            if stem in present and asked[stem]
        ]
    return found


def _present(submission: Submission) -> set[str]:
    return {stem for stem in [*submission.sections, *submission.problems] if stem is not None}


def _usual(submissions: Sequence[Submission]) -> set[str]:
    """The sections that most submissions have, of those of which something is known: what one alone has is nobody else's.

    If most have none in common, those that most often are there; if nothing is known, all.
    """
    known = [present for one in submissions if (present := _present(one))]
    count = Counter(stem for present in known for stem in present)
    least = min(len(known) // 2 + 1, max(count.values(), default=0))
    return {stem for stem in count if count[stem] >= least} or set(sections())


def _asked(stem: str, only: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in section(stem).exercises if not only or name in only or stem in only)


Same = tuple[Key, tuple[str, ...]]
"""Units for which this is equal, the key and the exercises to be graded again, get the same rows, and are graded once."""

Told = Callable[[Unit, list[Row], int, int], None]
"""Is told of each unit as it is done: the unit, its rows, how many are done by now, and of how many."""


def grade(
    submissions: Sequence[Submission],
    terms: Terms,
    *,
    only: Sequence[str] = (),
    jobs: int = 1,
    told: Told | None = None,
) -> Document:
    """Grade a cohort, `jobs` units at a time. What is stored is not graded again.

    Args:
        submissions: what was handed in.
        terms: seed, isolation and store.
        only: exercises, or whole sections by stem; all that are in the submissions if empty.
        jobs: how many judges work at a time.
        told: is told of each unit as it is done.
    """
    work = units(submissions, only, terms)
    graded: dict[int, list[Row]] = {}

    def done(unit: Unit, rows: list[Row]) -> None:
        graded[id(unit)] = rows
        if told is not None:
            told(unit, rows, len(graded), len(work))

    _grade_units(work, terms, jobs, done)
    by: dict[int, list[Row]] = {}
    for unit in work:
        by.setdefault(id(unit.submission), []).extend(graded[id(unit)])
    rows = [(one.name, _noted(one, by.get(id(one), []))) for one in submissions]
    return document(terms.seed, terms.isolation, rows)


def _grade_units(work: Sequence[Unit], terms: Terms, jobs: int, done: Callable[[Unit, list[Row]], None]) -> None:
    """Grade what is not in the store, and of what was only partly graded the rest; what is the same is graded once."""
    parts: dict[Same, Unit] = {}
    same: dict[Same, list[Unit]] = {}
    before: dict[Same, list[Row]] = {}
    for unit in work:
        if rows := _unreadable(unit):
            done(unit, rows)
            continue
        key = terms.key(unit), terms.again_of(unit)
        if key in same:
            same[key].append(unit)
            continue
        same[key], before[key] = [unit], terms.stored(unit)
        if left := _left(unit, before[key]):
            parts[key] = left
    for key, units in same.items():
        if key not in parts:
            for unit in units:
                done(unit, before[key])
    keys = {id(part): key for key, part in parts.items()}

    def attempt(part: Unit, grade: Callable[[Unit], list[Row]]) -> list[Row] | None:
        """The rows of a part; None while another grader is at it."""
        key = keys[id(part)]
        unit = same[key][0]
        with terms.store.claim(key[0]) as ours:
            if not ours:
                return None
            stored = terms.stored(unit)  # by another grader, meanwhile
            if not (left := _left(unit, stored or before[key])):
                return stored
            rows = _in_order(unit, [*(stored or before[key]), *grade(left)])
            terms.store.put(key[0], rows)
            return rows

    for part, rows in schedule.run(list(parts.values()), terms.seed, terms.isolation, jobs, attempt, terms.judges):
        for unit in same[keys[id(part)]]:
            done(unit, rows)


def _left(unit: Unit, rows: Sequence[Row]) -> Unit | None:
    """What of a unit has no row yet; None if nothing."""
    known = {row["exercise"] for row in rows}
    left = tuple(name for name in unit.only if name not in known)
    return replace(unit, only=left) if left else None


def _in_order(unit: Unit, rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: unit.only.index(row["exercise"]))


def _noted(submission: Submission, rows: list[Row]) -> list[Row]:
    """The rows, what the sender may want to know added to the first one's message."""
    if not rows or not submission.notes:
        return rows
    notes = "\n".join(f"note       {note}" for note in submission.notes)
    first: Row = {**rows[0], "message": "\n".join(part for part in (rows[0]["message"], notes) if part)}
    return [first, *rows[1:]]


def _unreadable(unit: Unit) -> list[Row] | None:
    """The rows of a section that cannot be read, or is not there."""
    submission, stem = unit.submission, unit.stem
    if stem in submission.sections:
        return None
    reason = submission.problems.get(stem) or submission.problems.get(None) or f"there is no {stem} in it"
    return [plain_row(stem, name, "not-gradable", reason) for name in unit.only]


def stored_seed(folder: Path) -> int:
    """The seed of this folder's gradings: drawn once, kept where submissions cannot see it.

    Raises:
        OSError: it cannot be written.
    """
    path = folder / "seed"
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError) as error:
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f"seed-{secrets.token_hex(8)}"
        try:
            replace_file(draft, f"{secrets.randbits(53)}\n".encode(), mode=0o660)  # learners may be others here
            _first(draft, path, over=isinstance(error, ValueError))
        finally:
            draft.unlink(missing_ok=True)
        return int(path.read_text())


def _first(draft: Path, path: Path, over: bool) -> None:
    """Have what is drafted stand at the path, but for what another grader has put there meanwhile; `over` what is no seed too."""
    try:
        if not over:
            os.link(draft, path)
            return
    except FileExistsError:
        return
    except OSError:  # a file system without links
        pass
    draft.replace(path)
