"""A wrong answer, by what it left behind, and how far a mistake that is tried does the same: call by call first, then check by check."""

import inspect
import sys
import warnings
from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from typing import Any

from torch import Tensor

from grader.checks.collect import Check, collect
from grader.checks.run import Evidence, outcome
from grader.checks.state import tidy
from grader.checks.under_test import UnderTest
from grader.diagnosis import candidates
from grader.diagnosis.candidates import Candidate
from grader.diagnosis.evidence import (
    PASSED,
    alike,
    broken,
    differing,
    differs,
    near,
    raised,
    same,
    shape_of,
    single,
    thin,
    valued,
)
from grader.diagnosis.reference import reference
from grader.diagnosis.replay import Call, Done, calls_of, cost_of, replay, seconds_of, segments, sizes, unrepeated

CONFIRMED = 12
"""Of a stage's candidates that agree call by call, at most so many are tried on all of the exercise's checks."""
QUIET = 1000
"""The same number where the calls give the right numbers, and only the checks show what is wrong."""
CHECKING = 2000
"""So many steps of the interpreter a check takes beside what it calls."""
NOT, LOOSELY, FULLY = range(3)
"""How far a candidate agrees with an answer, call by call."""
EFFORT = 800_000
"""So many steps of the interpreter are spent on the mistakes of a stage: a second or two, the same on every machine."""
HEAVY = 8
"""So much longer than another is a step of the interpreter in which a network works."""
MAKING = 150
"""So many steps as it takes to call a function are spent on making a mistake's code."""
FEW = 2
"""Where so few checks of a network end with an exception, it must be the same one."""
PROVEN = 2
"""In so many checks an answer must agree, once at least in double precision, if it may part from a candidate elsewhere."""
MOSTLY = 0.65
"""In such a share of the checks in which numbers are wrong they must agree."""
FEW = 3
"""So many pairs of numbers, the wrong one and the right one, show what has become of numbers."""
MANY = 8
"""So many calls of a check are looked at, to see whether a candidate changes numbers."""
RICH = 12
"""So many numbers in which they agree show that it is no chance."""


class Left:
    """What a wrong answer left behind, check by check.

    Attributes:
        stem: the section.
        exercise: the exercise.
        failures: by the name of the check, what was left.
        seed: the seed of the run.
        a_network: whether the exercise is a class: what its methods give is its own, or depends on what it was made with.
        checks: the exercise's checks, those that failed first, where mistakes differ soonest, and of those the ones with fewest calls.
    """

    def __init__(self, stem: str, exercise: str, failures: dict[str, Evidence], seed: int) -> None:
        self.stem, self.exercise, self.failures, self.seed = stem, exercise, failures, seed
        checks = [check for check in collect(stem) if check.exercise == exercise]
        calls = {name: len(evidence.notes) for name, evidence in failures.items()}
        self.a_network = exercise[0].isupper()
        self.checks: list[Check] = sorted(checks, key=lambda check: (check.name not in calls, calls.get(check.name, 0)))

    def gets(self, check: Check, candidate: Candidate) -> Any:
        """What a check gets from the candidate; `PASSED` if it passes."""
        return answer(candidate, check.section, check.name, self.seed)[0]

    def repeated_by(self, candidate: Candidate, nearly: bool = False) -> bool:
        """Whether the candidate leaves the very same in every check: what is drawn at random cannot be told call by call.

        Or nearly the same, as near as the check itself looks: another way of as many digits, as by another solver.
        """
        for check in self.checks:
            found, mine = self.gets(check, candidate), self.failures.get(check.name)
            if mine is None or found is PASSED:
                if (mine is None) != (found is PASSED):
                    return False
            elif not self.leaves(check, candidate, mine.near if nearly else (0.0, 0.0)):
                return False
        return True

    def leaves(self, check: Check, candidate: Candidate, near: tuple[float, float] = (0.0, 0.0)) -> bool:
        """Whether in a check that failed the candidate leaves the very same, words and exceptions too."""
        mine, found = self.failures[check.name].got, self.gets(check, candidate)
        alike = mine == found if isinstance(mine, str) else same(mine, found, near)
        return alike and self.ends_with(check, candidate)

    def ends_with(self, check: Check, candidate: Candidate) -> bool:
        """Whether an exception in a network came as early as with the candidate, in the first that is made or called, or later: any slip may end so."""
        mine = self.failures[check.name]
        if not (self.a_network and raised(mine.got)):
            return True
        found, theirs = answer(candidate, check.section, check.name, self.seed)
        if len(self.failures) <= FEW and mine.got != found:
            return False
        return (len(mine.notes) > 1, mine.forwards > 1) == (theirs[0] > 1, theirs[1] > 1)


class Patient(Left):
    """A wrong answer, by what it left behind, and by what it did in each call.

    Attributes:
        checks: of a module the quickest come first, whether they failed or not.
        costs: what each check costs that failed; of a module, each check.
        thumbs: the trail once more, small, with what the reference did; where the answer is wrong first.
        trail: by the name of each check that failed, its calls with what the answer did in each, as far as can be compared.
        tries: how many mistakes of a stage are tried, by what the cheapest call costs in which the answer is wrong.
        telling: whether in one of them the answer's numbers are not the right ones.
        a_class: whether the exercise is a class: what its methods do shows in the checks alone.
        builds: whether it is a module, of which the numbers are its own.
        loud: whether each check that failed ended with an exception.
        dark: whether nothing is known but that each check ends with an exception.
        scant: whether that is so, or numbers so few that another mistake may make the same of them.
        formal: whether no number shows what is wrong, but shapes, dtypes and exceptions alone: many mistakes have them in common.
        raises: whether nothing is known but which checks end with an exception, and it is not the one that torch has for shapes.
        tried: listed mistakes that have been compared with the answer call by call.
        in_place: whether the function returns nothing, so that what it did shows in the checks alone.
        proven: whether that is so in double precision often enough for single precision to be no matter.
    """

    def __init__(self, stem: str, exercise: str, failures: dict[str, Evidence], seed: int) -> None:
        super().__init__(stem, exercise, failures, seed)
        self.trail: list[tuple[str, int, Call, Done]] = []
        self.thumbs: list[tuple[str, int, Done, Done]] = []
        self.telling = False
        for check in self.checks:
            if check.name in failures:
                done = segments(failures[check.name].notes)
                self._follow(check.name, unrepeated(done) if hasattr(check.function, "hypothesis") else done)
        costs = {(name, index): call.cost for name, index, call, _ in self.trail}
        self.thumbs.sort(key=lambda step: (not _differ(step[2], step[3]), costs[step[:2]]))
        self.builds = any("a module" in str(mine.result) for _, _, _, mine in self.trail)
        weighed = [check.name for check in self.checks if self.builds or check.name in failures]
        self.costs = {name: cost_of(stem, exercise, name, seed) for name in weighed}
        took = {name: seconds_of(stem, exercise, name, seed) for name in weighed}
        self.checks.sort(key=lambda check: (check.name not in failures and not self.builds, took.get(check.name, 0.0)))
        self.tries = EFFORT // (MAKING + (costs[self.thumbs[0][:2]] if self.thumbs else 0))
        self.a_class = any(
            function == exercise and inspect.isclass(getattr(reference(stem).module(exercise), exercise))
            for _, _, (function, *_), _ in self.trail
        )
        telling = [single(mine.result) for _, _, call, mine in self.trail if _differ(mine, call.right)]
        self.proven = not all(telling)
        self.in_place = bool(self.trail) and all(call.right.result is None for _, _, call, _ in self.trail)
        self.tried: list[Candidate] = []
        exceptions = {e.got if raised(e.got) else "" for e in failures.values()}
        self.raises = not exceptions & {"", "raised RuntimeError"}
        self.loud = "" not in exceptions
        self.dark = self.loud and len(failures) == len(self.checks)
        self.formal = all(thin(evidence.got) for evidence in failures.values()) and not any(
            valued(mine.result, call.right.result) or valued(mine.asked, call.right.asked)
            for _, _, call, mine in self.trail
        )

    @cached_property
    def scant(self) -> bool:
        if self.formal:
            return True
        if not all(thin(evidence.got) for evidence in self.failures.values()):
            return False
        pairs = [pair for _, _, call, mine in self.trail for pair in differing(tuple(mine), tuple(call.right))]
        return len(set(pairs)) < FEW

    def _follow(self, name: str, done: list[tuple[str, Done]]) -> None:
        """Compare the answer's calls with the reference's until they part: there the inputs may part too."""
        calls = calls_of(self.stem, self.exercise, name, self.seed)
        for index, (call, (function, mine)) in enumerate(zip(calls, done, strict=False)):
            if function != call.function or (index and call.draws):
                return  # how much was drawn before decides what is drawn now
            self.trail.append((name, index, call, mine))
            self.thumbs.append((name, index, mine.small(), call.right.small()))
            if _differ(mine, call.right):
                self.telling = True
                return

    def patience(self, stage: Any) -> int:
        """How many candidates that agree call by call are tried on the checks."""
        if stage is candidates.listed:
            return sys.maxsize
        failed = min(self.costs[name] for name in self.failures)
        affordable = EFFORT // ((HEAVY if self.builds else 1) * (CHECKING + failed))
        return max(2, min(affordable, CONFIRMED if self.telling else QUIET))

    def agreeing(self, stage: Iterable[Candidate], most: int) -> Iterator[Candidate]:
        """The candidates that do in each call what the answer did, so many at the most."""
        left, loosely = most, []
        for candidate in stage:
            agrees = self._agrees(candidate)
            if candidate.known:
                self.tried.append(candidate)
            if agrees == LOOSELY:
                loosely.append(candidate)
            if agrees == FULLY:
                yield candidate
                left -= 1
                if not left:
                    return
        yield from loosely[:left]

    def _agrees(self, candidate: Candidate) -> int:
        """Whether it does so in each call; in single precision it may part where it is wrong too, if it agrees in double.

        Loosely, if what it asks models differs where the results are as wrong: a method without an idle call, say.
        """
        proven, double, parted, agrees = 0, 0, 0, FULLY
        for name, index, mine, right in self.thumbs:
            theirs = self._does(candidate, name, index)
            if theirs is None:
                return NOT
            if alike(mine.result, theirs.result, right.result):
                wrong = differs(mine.result, right.result)
                if not alike(mine.asked, theirs.asked, right.asked):
                    if not wrong:
                        return NOT
                    agrees = LOOSELY
                proven += wrong
                double += wrong and not single(mine.result)
            elif self._lenient(candidate, mine.result, theirs.result) and _differ(theirs, right):
                parted = max(parted, 1 if broken(mine.result) else PROVEN)
            else:
                return NOT
        return agrees if proven >= parted and (double or not parted) else NOT

    def partial(self) -> list[Candidate]:
        """Listed mistakes that do what the answer did in most of the checks that failed, in the most of them first."""
        counted = [(self._in_most(candidate), candidate) for candidate in self.tried]
        return [candidate for count, candidate in sorted(counted, key=lambda pair: -pair[0]) if count]

    def _in_most(self, candidate: Candidate) -> int:
        """In how many of the checks the candidate gives the wrong numbers of the answer; 0 if these are few, or could be by chance."""
        if not self.telling:
            return 0
        agreed, numbers = set[str](), set[float]()
        wrong = {step[0] for step in self.thumbs if differs(step[2].result, step[3].result)}
        missed = 0
        for name, index, mine, right in self.thumbs:
            theirs = self._does(candidate, name, index)
            fits = theirs is not None and alike(mine.result, theirs.result, right.result)
            fits = fits and theirs is not None and alike(mine.asked, theirs.asked, right.asked)
            is_wrong = differs(mine.result, right.result)
            if theirs is None or (not fits and not is_wrong) or broken(mine.result):
                return 0
            missed += is_wrong and not fits
            if missed > (1 - MOSTLY) * len(wrong):
                return 0
            if is_wrong and fits:
                agreed.add(name)
                numbers |= set() if single(mine.result) else _numbers(mine.result)
        enough = len(agreed) >= MOSTLY * len(wrong) and len(agreed) >= PROVEN and len(numbers) >= RICH
        return len(agreed) if enough else 0

    def needed(self, candidate: Candidate) -> Candidate:
        """The one of several mistakes at once that explains the answer alone, if the others change nothing; else all of them."""
        for part in candidate.parts:
            if all(self._does_alike(part, candidate, *step[:2]) for step in self.thumbs) and self.explained_by(part):
                return part
        return candidate

    def _does_alike(self, one: Candidate, other: Candidate, name: str, index: int) -> bool:
        mine, theirs = self._does(one, name, index), self._does(other, name, index)
        return mine is not None and theirs is not None and not _differ(mine, theirs)

    def _does(self, candidate: Candidate, name: str, index: int) -> Done | None:
        return _replayed(candidate, self.stem, self.exercise, name, self.seed, index)

    def explained_by(self, candidate: Candidate) -> bool:
        """Whether the candidate fails the checks that the answer fails, with the same results, and passes the others.

        Where nothing but exceptions is known of the answer, they must be the same ones.
        """
        for check in self.checks:
            found = self.gets(check, candidate)
            mine = self.failures.get(check.name)
            if mine is not None and self.loud and mine.got != found:
                return False
            if mine is None or found is PASSED:
                if (mine is None) != (found is PASSED):
                    return False
            elif not same(mine.got, found, mine.near) and not (
                self.proven and self._lenient(candidate, mine.got, found)
            ):
                return False
            if mine is not None and not self.ends_with(check, candidate):
                return False
        return True

    def says_too_much(self, candidate: Candidate) -> bool:
        """Whether the candidate says more than was seen.

        That is so if it changes numbers, in a call of a check that failed, where of the answer's none is seen to be wrong;
        or if its number is the size of something, or the number of levels, in every call that is wrong.
        """
        if candidate.number is not None and self.telling:
            wrong = [call for _, _, call, mine in self.trail if _differ(mine, call.right)]
            if all(candidate.number in sizes(call) for call in wrong):
                return True
        if not self.formal:
            return False
        for name in self.failures:
            for index, call in enumerate(calls_of(self.stem, self.exercise, name, self.seed)[:MANY]):
                theirs, right = self._does(candidate, name, index), call.right.small()
                if theirs and valued(theirs.result, right.result):
                    return True
        return False

    @staticmethod
    def _lenient(candidate: Candidate, mine: Any, theirs: Any) -> bool:
        """Whether the same mistake may give both, written otherwise: in single precision, or where one breaks down."""
        if broken(mine):
            return candidate.sure
        return (
            single(mine)
            and single(theirs)
            and (shape_of(mine) == shape_of(theirs) if candidate.sure else near(mine, theirs))
        )


def _differ(mine: Done, right: Done) -> bool:
    return differs(mine.result, right.result) or differs(mine.asked, right.asked)


def _numbers(result: Any) -> set[float]:
    """The numbers in a result."""
    if isinstance(result, tuple | list):
        return set().union(*map(_numbers, result))
    if isinstance(result, Tensor) and result.is_floating_point():
        return set(result.double().flatten().tolist())
    return {result} if isinstance(result, float) else set()


@lru_cache(maxsize=30_000)
def _replayed(candidate: Candidate, stem: str, exercise: str, name: str, seed: int, index: int) -> Done | None:
    """What the candidate does in a call, small; None if it is no Python."""
    module = candidate.module()
    return replay(calls_of(stem, exercise, name, seed)[index], module).small() if module is not None else None


@lru_cache(maxsize=5000)
def answer(candidate: Candidate, stem: str, name: str, seed: int) -> tuple[Any, tuple[int, int]]:
    """What the check gets, and how many calls it had made, of the code and of its networks; remembered, so that a cohort costs one run of each."""
    check = next(check for check in collect(stem) if check.name == name)
    with tidy(seed), warnings.catch_warnings(action="ignore"):
        module = candidate.module()
        if module is None:
            return "no Python", (0, 0)
        found = outcome(check, UnderTest(module), seed)
    # Not the error: its traceback keeps all that the check made
    return left_by(found.evidence)


def left_by(evidence: Evidence | None) -> tuple[Any, tuple[int, int]]:
    """What a check got, and how many calls it had made, of the code and of its networks; `PASSED` and none where it left nothing."""
    return (PASSED, (0, 0)) if evidence is None else (evidence.got, (len(evidence.notes), evidence.forwards))
