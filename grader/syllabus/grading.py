"""A cohort graded by a course's rules: judged, marked, and its names hidden if they are to be."""

import difflib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from grader.course import section, sections
from grader.intake.submission import Submission
from grader.judging import cohort
from grader.judging.cohort import Terms, Told
from grader.judging.results import Document
from grader.syllabus.equal import equal
from grader.syllabus.marks import marked
from grader.syllabus.reading import read
from grader.syllabus.roster import plain
from grader.syllabus.rules import Syllabus


class Unknown(ValueError):
    """Something that was asked for and is neither in the course nor among the submissions."""


class Grading:
    """What is graded, by which rules.

    Attributes:
        syllabus: the rules.
        submissions: what was handed in.
    """

    def __init__(
        self,
        submissions: Sequence[Submission],
        course: Path | None = None,
        only: Sequence[str] = (),
        again: Sequence[str] = (),
        not_fetched: Sequence[str] = (),
    ) -> None:
        """Read the rules and see that what is asked for can be meant.

        Args:
            submissions: what was handed in.
            course: the course's own file, if it has one.
            only: exercises, or whole sections by stem; everything if empty.
            again: submissions, learners, exercises and sections that are graded again; where both kinds are named, these
                exercises of those submissions.
            not_fetched: the learners whose work could not be fetched; whose is among the submissions is none of them.

        Raises:
            SyllabusError: the course's file says what cannot be.
            Unknown: `only` or `again` names what there is not.
        """
        self.syllabus = read(course) if course is not None else Syllabus()
        self.submissions = submissions
        self._course, self._only = course, only
        there = {plain(self.syllabus.roster.owner(one.name) or one.name) for one in submissions}
        owners = [self.syllabus.roster.owner(name) or name for name in not_fetched]
        self._not_fetched = [name for name in owners if plain(name) not in there]
        self._places = {one.name: (one, one.path) for one in submissions}
        self._asked = [
            name for name in _exercises(only) or _exercises(sections()) if name not in self.syllabus.left_out
        ]
        if not self._asked:
            raise Unknown(f"--only: {course} leaves out {', '.join(only) or 'every exercise'}")
        people = {who for one in submissions for who in (one.name, self.syllabus.roster.owner(one.name) or one.name)}
        known = set(_exercises(sections())) | set(sections())
        spelt = {plain(who): who for who in people}
        if strange := [name for name in again if name not in known and plain(name) not in spelt]:
            near = difflib.get_close_matches(strange[0], [*people, *known], 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise Unknown(f"--again: {strange[0]!r} is no submission, learner, exercise or section of this run{hint}")
        self._again_people = {plain(name) for name in again if plain(name) in spelt}
        self._again_exercises = set(_exercises([name for name in again if plain(name) not in spelt]))

    def run(self, terms: Terms, jobs: int = 1, told: Told | None = None) -> Document:
        """Grade, and give the document by the course's rules."""
        rules = self.syllabus
        terms = replace(terms, conditions=rules.conditions, left_out=rules.left_out, again=self._again)
        found = cohort.grade(self.submissions, terms, only=self._only, jobs=jobs, told=told)
        empty = {one.name for one in self.submissions if one.is_empty}
        nothing = [one["name"] for one in found["submissions"] if one["name"] in empty and not one["exercises"]]
        found["submissions"] = [one for one in found["submissions"] if one["name"] not in nothing]
        if self._course is not None:
            found = marked(found, rules, self._places, self._asked, self._not_fetched, nothing)
        elif nothing:
            found["missing"] = nothing
        if self._not_fetched:
            found["not_fetched"] = self._not_fetched
        if groups := equal(self.submissions, rules.roster.owner):
            found["equal"] = groups
        return found

    def _again(self, submission: str, exercise: str) -> bool:
        if not self._again_people and not self._again_exercises:
            return False
        names = {plain(submission), plain(self.syllabus.roster.owner(submission) or "")}
        who = not self._again_people or names & self._again_people
        return bool(who) and (not self._again_exercises or exercise in self._again_exercises)


def _exercises(names: Sequence[str] | dict) -> list[str]:
    return [inner for name in names for inner in (section(name).exercises if name in sections() else [name])]
