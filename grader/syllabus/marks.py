"""What a submission earns by the course's rules: points, late work, scores set by hand. No verdict is changed."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from grader.course import find_exercise, section
from grader.intake.submission import Submission
from grader.judging.results import Document, Graded, Row, document, plain_row
from grader.syllabus.roster import Learner, plain
from grader.syllabus.rules import HandScore, Syllabus


def marked(
    graded: Document,
    syllabus: Syllabus,
    submissions: Mapping[str, tuple[Submission, Path | None]],
    asked: Iterable[str],
    not_fetched: Collection[str] = (),
    nothing: Collection[str] = (),
) -> Document:
    """The document by the course's rules.

    Args:
        graded: what the judges found.
        syllabus: the rules.
        submissions: by name, what was handed in and where it lies.
        asked: the exercises that the run is about.
        not_fetched: the learners whose work could not be fetched; they are not missing.
        nothing: the names of submissions in which there is nothing; whose they are is missing, if there is no other of theirs.
    """
    marker = _Marker(syllabus, submissions, set(asked), graded)
    rows = {one["name"]: marker.rows(one["name"], one["exercises"]) for one in graded["submissions"]}
    handed_in = {name: syllabus.roster.owner(name) for name in rows}
    owners = {name: syllabus.roster.owner(name) for name in nothing}
    came = {*handed_in.values(), *not_fetched}
    absent = dict.fromkeys([*syllabus.roster.missing(rows), *filter(None, owners.values())])
    missing = [who for who in absent if who not in came]
    handed_in |= {name: None for name, owner in owners.items() if owner is None}
    for learner in missing:
        if by_hand := marker.on_paper(learner):
            rows[learner] = by_hand
    found = document(graded["seed"], graded["isolation"], rows.items())
    found["submissions"] = [_named(one, syllabus) for one in found["submissions"]]
    found["course"] = syllabus.title
    _tell_people(found, syllabus, handed_in, missing, not_fetched)
    if marker.no_receipt:
        found["no_receipt"] = list(dict.fromkeys(marker.no_receipt))
    return found


def _tell_people(
    found: Document,
    syllabus: Syllabus,
    handed_in: dict[str, str | None],
    missing: list[str],
    not_fetched: Collection[str],
) -> None:
    """Say who handed in nothing, what is nobody's, and who handed in twice."""
    if missing:
        found["missing"] = missing
    if unknown := [name for name, owner in handed_in.items() if owner is None]:
        found["unknown"] = unknown
    by: dict[str, list[str]] = {}
    for name, owner in handed_in.items():
        if owner is not None:
            by.setdefault(owner, []).append(name)
    came = set(map(plain, [*by, *missing, *not_fetched]))
    if not syllabus.roster.learners and (unused := sorted(who for who in syllabus.learners if plain(who) not in came)):
        found["unused"] = unused
    if twice := {owner: names for owner, names in by.items() if len(names) > 1}:
        found["twice"] = twice


def _named(one: Graded, syllabus: Syllabus) -> Graded:
    owner = syllabus.roster.owner(one["name"])
    if not syllabus.roster.learners or owner is None:
        return one
    found: Graded = {**one, "learner": owner}
    full_name = syllabus.roster.full_name(owner)
    return {**found, "full_name": full_name} if full_name else found


class _Marker:
    """Applies the rules to rows."""

    def __init__(
        self,
        syllabus: Syllabus,
        submissions: Mapping[str, tuple[Submission, Path | None]],
        asked: set[str],
        graded: Document,
    ) -> None:
        self.syllabus, self.submissions, self.asked = syllabus, submissions, asked
        self.judged = {one["name"]: {row["section"] for row in one["exercises"]} for one in graded["submissions"]}
        self.no_receipt: list[str] = []

    def on_paper(self, learner: str) -> list[Row]:
        """The rows of somebody who handed in nothing here and has a score all the same; none where nobody set one.

        They have a row for each exercise that the run asks for of these sections, so that their points are as everybody's.
        """
        of = {one.exercise for one in self.syllabus.scores if plain(one.learner) == plain(learner)} & self.asked
        stems = {find_exercise(exercise).section for exercise in of}
        all_of = [name for stem in stems for name in section(stem).exercises if name in self.asked]
        return self.rows(learner, [_not_there(name, "nothing was handed in") for name in all_of])

    def rows(self, name: str, rows: list[Row]) -> list[Row]:
        owner = self.syllabus.roster.owner(name)
        by_hand = {
            one.exercise: one
            for one in self.syllabus.scores
            if owner is not None and plain(one.learner) == plain(owner)
        }
        there = {row["exercise"] for row in rows}
        more = [
            exercise
            for exercise in by_hand
            if exercise not in there
            and exercise in self.asked
            and self._belongs(name, owner, find_exercise(exercise).section)
        ]
        new = {find_exercise(exercise).section for exercise in more} - {row["section"] for row in rows}
        beside = [exercise for stem in new for exercise in section(stem).exercises if exercise in self.asked]
        rows = rows + [_not_there(exercise) for exercise in dict.fromkeys([*beside, *more])]
        marked = [self._held_late(name, owner, valued(row, self.syllabus)) for row in rows]
        return [_set_by_hand(row, by_hand[row["exercise"]]) if row["exercise"] in by_hand else row for row in marked]

    def _belongs(self, name: str, owner: str | None, stem: str) -> bool:
        """Whether a score of a section goes to this submission: to one of the learner's that has it, else to their first one."""
        theirs = [one for one in self.judged if owner is not None and self.syllabus.roster.owner(one) == owner] or [
            name
        ]
        return name in ([one for one in theirs if stem in self.judged.get(one, ())] or theirs[:1])

    def _held_late(self, name: str, owner: str | None, row: Row) -> Row:
        due = self.syllabus.due(owner, find_exercise(row["exercise"]))
        if due is None or name not in self.submissions:
            return row
        submission, path = self.submissions[name]
        if row["section"] not in submission.sections:
            return row
        names = (name, path.name if path else name, *self._else_called(owner))
        received = self.syllabus.receipts.of(names, row["section"], submission.sections[row["section"]].path or path)
        if received is None:
            self.no_receipt.append(name)
            return row
        if (late_by := after(received, due)) <= timedelta(0):
            return row
        kept = self.syllabus.late.kept(late_by)
        late = f"{_shown(received, due)}: {kept * 100:g} % of the score is kept"
        message = "\n".join(part for part in (row["message"], f"late       {late}") if part)
        return {
            **row,
            "score": row["score"] * kept,
            "message": message,
            "late": {"received": received.isoformat(), "due": due.isoformat(), "kept": kept},
        }

    def _else_called(self, owner: str | None) -> list[str]:
        """What else a learner's work is called, but for what another submission goes by, which has a receipt of its own."""
        learner = self.syllabus.roster.learners.get(owner or "", Learner(""))
        there = {plain(name) for name in self.submissions}
        return [name for name in filter(None, (owner, *learner.submissions)) if plain(name) not in there]


def valued(row: Row, syllabus: Syllabus) -> Row:
    """The row with the points that the exercise has in this course, and the same share of them."""
    exercise = find_exercise(row["exercise"])
    worth, before = syllabus.worth(exercise), row["points"]
    share = row["score"] / before if before else float(row["verdict"] == "pass")
    found: Row = {**row, "points": worth, "score": worth * share}
    return {**found, "extra": True} if exercise.name in syllabus.extra else found


def sums(rows: Iterable[Row], syllabus: Syllabus) -> tuple[float, float]:
    """The score and the points of rows in this course, before what is late or set by hand."""
    found = [valued(row, syllabus) for row in rows]
    return sum(row["score"] for row in found), sum(row["points"] for row in found if "extra" not in row)


def _set_by_hand(row: Row, given: HandScore) -> Row:
    said = f"by hand    {given.score:g}, not {round(row['score'], 2):g}, set by {given.by}: {given.why}"
    message = "\n".join(part for part in (row["message"], said) if part)
    was = row["score"]
    return {
        **row,
        "score": given.score,
        "message": message,
        "by_hand": {"by": given.by, "why": given.why, "was": was},
    }


def _not_there(exercise: str, why: str = "") -> Row:
    found = find_exercise(exercise)
    return plain_row(found.section, exercise, "not-gradable", why or f"there is no {found.section} in it")


def after(received: datetime, due: datetime) -> timedelta:
    """How long after a deadline something came; of two moments in one zone Python would subtract what clocks show."""
    return received.astimezone(UTC) - due.astimezone(UTC)


def _shown(received: datetime, due: datetime) -> str:
    """Both moments as people write them, where the deadline is; to the second where the minute is the same."""
    there = received.astimezone(due.tzinfo)
    minute = "%Y-%m-%d %H:%M"
    form = f"{minute}:%S" if there.strftime(minute) == due.strftime(minute) else minute
    return f"received {there.strftime(form)}, due {due.strftime(form)}"
