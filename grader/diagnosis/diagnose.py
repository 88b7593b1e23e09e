"""Name the mistake in a wrong answer: the known, shared or derived one that gives the same wrong results to the same checks."""

import logging
import threading
from collections.abc import Callable, Iterable
from itertools import combinations, islice
from typing import Any, NamedTuple

from grader.checks.run import Evidence
from grader.checks.state import tidy
from grader.diagnosis import candidates
from grader.diagnosis.candidates import Candidate
from grader.diagnosis.evidence import PASSED, nothing, raised, same, thin
from grader.diagnosis.mistaken import SHAPES
from grader.diagnosis.observed import Look, leaves_nothing_to_conclude, observed, within
from grader.diagnosis.patient import PROVEN, Left, Patient

LOG = logging.getLogger(__name__)
_one_at_a_time = threading.RLock()

Stage = Callable[[str, str], Iterable[Candidate]]
"""Mistakes that are tried, by section and exercise."""
PAIRS = 60
"""So many pairs are tried, however long each takes: listed ones come first."""
OF_SAMPLES = (
    "whole batch",
    "another sample",
    "first sample",
    "last sample",
    "over the batch",
    "the mean of",
    "in the reverse order",
)
"""What is said of mistakes by which samples of a batch are mixed up."""
OF_RESULTS = ("in place", "the result", "squeezed away")
"""What is said of mistakes by what is returned, or left behind."""
PARTLY = 5
"""So many mistakes that explain a part of the evidence are tried on the checks."""
BESIDE = "It explains most of the checks that fail, and not all: there is something else beside it."


class Named(NamedTuple):
    """A mistake that was recognised.

    Attributes:
        name: a short phrase.
        explanation: to whoever made it.
    """

    name: str
    explanation: str


def diagnose(stem: str, exercise: str, failures: dict[str, Evidence], seed: int) -> Any:
    """The mistake that explains a submission's failures in an exercise, with `name` and `explanation`; None if none does.

    It explains them if it fails exactly the checks that the submission fails, with the same results. Where none does, one that
    explains most of them, or what is seen in them. A diagnosis is a courtesy: whatever goes wrong in it is logged, and the answer is None.

    Args:
        stem: the section.
        exercise: the exercise.
        failures: by the name of each of the exercise's checks that failed, what the answer left behind there.
        seed: the seed with which the checks were run.
    """
    if not failures:
        return None
    try:
        with _one_at_a_time, tidy(seed):
            return _named(Left(stem, exercise, failures, seed))
    except Exception:
        LOG.exception("%s: the failures cannot be compared with known mistakes", exercise)
        return None


def _named(left: Left) -> Any:
    if not set(left.failures) <= {check.name for check in left.checks}:
        return None
    if repeated := _repeated(left):
        return repeated
    patient = Patient(left.stem, left.exercise, left.failures, left.seed)
    return _explained(patient) or _nearly(left) or _side_by_side(patient) or _partly(patient) or seen_of(patient)


def _repeated(left: Left) -> Any:
    """The exercise's own listed mistake that leaves the very same; none if what is left is little, and another leaves it too."""
    repeated = (found.known for found in _own(left) if left.repeated_by(found))
    exact = next(repeated, None)
    little = all(thin(evidence.got) for evidence in left.failures.values())
    if all(nothing(evidence.got) for evidence in left.failures.values()):
        return None  # many mistakes come to zero: what each call gave says more
    return exact if exact and not (little and any(other is not exact for other in repeated)) else None


def _nearly(left: Left) -> Any:
    """The only one of the exercise's own listed mistakes that leaves the same in every check, as near as the checks look."""
    if sum(not thin(evidence.got) for evidence in left.failures.values()) < PROVEN:
        return None
    near = {found.known for found in _own(left) if left.repeated_by(found, nearly=True)}
    return near.pop() if len(near) == 1 else None


def _side_by_side(patient: Patient) -> Named | None:
    """Of a network, the only two listed mistakes that leave together what the answer left, each of them the very same in all that it breaks.

    None where what is seen leaves nothing to conclude from other checks, or where one alone could be told.
    """
    if not patient.a_network or leaves_nothing_to_conclude(patient.failures):
        return None
    broken: dict[frozenset[str], list[Candidate]] = {}
    silent = within(patient.failures, patient.exercise)
    told = frozenset(patient.failures.keys() - silent)
    failed = [check for check in patient.checks if check.name in patient.failures]
    passed = [check for check in patient.checks if check.name not in patient.failures]
    for candidate in _own(patient):
        left = {
            check.name: patient.leaves(check, candidate)
            for check in failed
            if patient.gets(check, candidate) is not PASSED
        }
        if left and all(left.values()) and all(patient.gets(check, candidate) is PASSED for check in passed):
            broken.setdefault(frozenset(left.keys() - silent), []).append(candidate)
    alone = {names: found[0] for names, found in broken.items() if len(found) == 1}
    if silent and told in alone:
        return Named(alone[told].name, alone[told].explanation)
    pairs = [
        (alone[one], alone[other])
        for one, other in combinations(alone, 2)
        if one | other == told and not (one <= other or other <= one)
    ]
    if len(pairs) != 1:
        return None
    parts = pairs[0]
    return Named(" and ".join(part.name for part in parts), " ".join(part.explanation.strip() for part in parts))


def _own(left: Left) -> Iterable[Candidate]:
    """The exercise's own listed mistakes."""
    listed = candidates.listed(left.stem, left.exercise)
    return (found for found in listed if found.known and found.known.exercise == left.exercise)


def _explained(patient: Patient) -> Any:
    """The first mistake that does in each call, and in each check, what the answer did."""
    stages: tuple[Stage, ...] = (candidates.listed, candidates.shared, candidates.derived, candidates.pairs)
    for stage in stages:
        if not _is_worth_trying(stage, patient):
            continue
        agreeing = patient.agreeing(_tried(stage, patient), patient.patience(stage))
        explaining = (patient.needed(candidate) for candidate in agreeing if patient.explained_by(candidate))
        if patient.formal:
            explaining = (candidate for candidate in explaining if not patient.says_too_much(candidate))
        found = next(explaining, None)
        if (
            found
            and patient.scant
            and found.name not in SHAPES
            and any(other.name != found.name for other in explaining)
        ):
            return None  # what is seen is too little to tell the one from the other
        while found and patient.says_too_much(found):
            found = next(explaining, None)
        if found:
            return found.known or Named(found.name, found.explanation)
    return None


def _is_worth_trying(stage: Stage, patient: Patient) -> bool:
    if patient.dark:  # of a network it is compared how far the checks came with it
        return patient.builds and stage is candidates.listed
    if stage is candidates.pairs and (patient.builds or not (patient.telling or patient.a_class or patient.in_place)):
        return False
    # any slip may end with the same exception
    return not (patient.raises and stage in (candidates.derived, candidates.pairs))


def _tried(stage: Stage, patient: Patient) -> Iterable[Candidate]:
    """The mistakes of a stage that are tried: of two at once there are many, and few that are somebody's."""
    tried = stage(patient.stem, patient.exercise)
    if stage is candidates.listed:
        return tried
    most = max(patient.tries // 2, PAIRS) if stage is candidates.pairs else patient.tries
    tried = islice(tried, min(most, 2 * PAIRS) if patient.in_place and stage is candidates.pairs else most)
    if patient.in_place:  # what it is called with is no model that is asked
        tried = (candidate for candidate in tried if "model called" not in candidate.name)
    ended = [raised(evidence.got) for evidence in patient.failures.values()]
    if all(
        ended
    ):  # with an exception: whether anything has changed in place, or what came of a result, nobody has seen
        tried = (candidate for candidate in tried if not any(part in candidate.name for part in OF_RESULTS))
    if patient.builds:  # its numbers are its own: which sample's they are, nobody sees
        return (candidate for candidate in tried if not any(part in candidate.name for part in OF_SAMPLES))
    return tried


def _partly(patient: Patient) -> Named | None:
    """A mistake that explains most of the evidence, and what is seen in the rest: there is another one beside it."""
    for candidate in patient.partial()[:PARTLY]:
        failed = {check.name: patient.gets(check, candidate) for check in patient.checks}
        if any(
            (found is PASSED) != (name not in patient.failures) for name, found in failed.items() if found is not PASSED
        ):
            continue  # it fails a check that the answer passes
        rest = {name: e for name, e in patient.failures.items() if not same(e.got, failed[name], e.near)}
        seen = seen_of(patient, rest)
        names = [candidate.name, *([seen.name] if seen else [])]
        return Named(" and ".join(names), f"{candidate.explanation.strip()} {BESIDE}")
    return None


def seen_of(patient: Patient, failures: dict[str, Evidence] | None = None) -> Named | None:
    """What can be said of it, or of some of its failures, where no mistake explains it."""
    failures = patient.failures if failures is None else failures
    passed = [check.name for check in patient.checks if check.name not in patient.failures]
    trail = [step for step in patient.trail if step[0] in failures]
    if not failures:
        return None
    whole = len(failures) == len(patient.failures)
    seen = observed(Look(patient.stem, patient.exercise, patient.seed, failures, passed, trail, whole))
    return seen and Named(*seen)
