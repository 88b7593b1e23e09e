"""What a course says of its grades, where it says otherwise than we do."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from grader.course import Exercise, section
from grader.judging.conditions import Conditions
from grader.syllabus.receipts import Receipts
from grader.syllabus.roster import Roster, plain


@dataclass(frozen=True)
class LateRule:
    """What late work loses.

    Attributes:
        per_day: the share of a score that each day begun costs.
        at_most: the largest share that is lost.
        grace: how late something may come and be in time.
        until: the days after which nothing counts; None if there is no such limit.
    """

    per_day: float = 0.0
    at_most: float = 1.0
    grace: timedelta = timedelta()
    until: float | None = None

    def kept(self, late: timedelta) -> float:
        """The share of a score that is kept by what comes so much after it was due."""
        if late <= self.grace:
            return 1.0
        days = late / timedelta(days=1)
        if self.until is not None and days > self.until:
            return 0.0
        begun = -(-late // timedelta(days=1))
        return round(1 - min(self.per_day * begun, self.at_most), 6)


@dataclass(frozen=True)
class HandScore:
    """A score that a person sets, who they are, and why."""

    learner: str
    exercise: str
    score: float
    by: str
    why: str


@dataclass(frozen=True)
class Extension:
    """More time for a learner to hand in: a moment, or days after what is due."""

    until: datetime | None = None
    days: float = 0.0

    def of(self, due: datetime) -> datetime:
        return max(due + timedelta(days=self.days), self.until or due)


@dataclass(frozen=True)
class Syllabus:
    """What a course sets for itself; each default is what it is without a file. Keys are in docs/instructors.md.

    Attributes:
        title: the course's.
        charge_once: whether what uses a wrong exercise is judged with ours in its place.
        hide_names: whether results go by pseudonyms.
        roster: who is in the course.
        points: an exercise's points, where they are not ours.
        weights: what a section is worth altogether, by stem.
        extra: exercises that add to a score and not to the points.
        left_out: exercises that are not graded.
        time_of_learners: by what a learner's time is multiplied.
        time_of_exercises: by what the time of an exercise is multiplied.
        checks: the folder of the instructor's checks.
        hidden_checks: the folder of those that learners are not shown.
        deadlines: when a section or an exercise is due.
        extensions: by (learner, section's stem), or "" for all sections.
        late: what late work loses.
        receipts: when submissions came.
        scores: those set by hand.
        files: the course's own, and the tables beside it.
    """

    title: str = ""
    charge_once: bool = True
    hide_names: bool = False
    roster: Roster = field(default_factory=Roster)
    points: dict[str, float] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    extra: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()
    time_of_learners: dict[str, float] = field(default_factory=dict)
    time_of_exercises: dict[str, float] = field(default_factory=dict)
    checks: Path | None = None
    hidden_checks: Path | None = None
    deadlines: dict[str, datetime] = field(default_factory=dict)
    extensions: dict[tuple[str, str], Extension] = field(default_factory=dict)
    late: LateRule = field(default_factory=LateRule)
    receipts: Receipts = field(default_factory=Receipts)
    scores: tuple[HandScore, ...] = ()
    files: tuple[Path, ...] = ()

    @property
    def learners(self) -> set[str]:
        """Those of whom something is said beside the roster."""
        return {*self.time_of_learners, *(who for who, _ in self.extensions), *(one.learner for one in self.scores)}

    def worth(self, exercise: Exercise) -> float:
        """The points of an exercise in this course."""
        points = self.points.get(exercise.name, float(exercise.points))
        if exercise.section not in self.weights:
            return points
        return points * self.weights[exercise.section] / (self.counted(exercise.section) or 1)

    def counted(self, stem: str) -> float:
        """The points of a section's exercises that count, before it is given a weight."""
        return sum(
            self.points.get(name, float(one.points))
            for name, one in section(stem).exercises.items()
            if name not in self.left_out and name not in self.extra
        )

    def conditions(self, submission: str, stem: str) -> Conditions:
        """Under which a section of a submission is judged."""
        owner = plain(self.roster.owner(submission) or "")
        own = next((factor for name, factor in self.time_of_learners.items() if plain(name) == owner), 1.0)
        factors = [(name, own * self.time_of_exercises.get(name, 1.0)) for name in section(stem).exercises]
        folders = [str(folder) for folder in (self.checks, self.hidden_checks) if folder is not None]
        hidden = [str(self.hidden_checks)] if self.hidden_checks is not None else []
        time = tuple((name, factor) for name, factor in factors if factor != 1)
        return Conditions(time, tuple(folders), tuple(hidden), self.charge_once)

    def due(self, learner: str | None, exercise: Exercise) -> datetime | None:
        """When an exercise of a learner is due; None if it may come whenever it likes."""
        due = self.deadlines.get(exercise.name, self.deadlines.get(exercise.section))
        if due is None:
            return None
        granted = [
            one
            for (who, stem), one in self.extensions.items()
            if learner and plain(who) == plain(learner) and stem in (exercise.section, "")
        ]
        return max([due, *(one.of(due) for one in granted)])
