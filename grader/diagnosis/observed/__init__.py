"""What can be said of a wrong answer where no mistake explains it: what was seen in the checks that failed.

A weight squared, a result cut off from its gradient, a model told another time, wrong at t = 0 alone: such a name says no
more than the evidence does, and so is never wrong. Each module here looks at one side of it.
"""

import re
from collections.abc import Iterator
from itertools import combinations, islice
from typing import NamedTuple

from exercises.checks.describe import EITHER
from grader.checks.run import Evidence
from grader.diagnosis.observed.asking import asking
from grader.diagnosis.observed.defaults import defaults
from grader.diagnosis.observed.factors import alone, exchanged, factors
from grader.diagnosis.observed.facts import Fact, Look
from grader.diagnosis.observed.following import following
from grader.diagnosis.observed.passing import passing
from grader.diagnosis.observed.phrases import phrases
from grader.diagnosis.observed.places import places
from grader.diagnosis.observed.raising import messages, raising
from grader.diagnosis.observed.rules import rules, within
from grader.diagnosis.observed.samples import samples
from grader.diagnosis.observed.spacing import spacing
from grader.diagnosis.observed.weights import weights

__all__ = ["Look", "Seen", "leaves_nothing_to_conclude", "observed", "within"]
SOME = 0.4
"""What tells only where it is wrong is told if it was seen in such a share of the checks that failed."""
MOST = 24
"""So many facts are looked at: there are hardly ever more."""
IN_PLACE = "changed in place"
MADE = r"refuses_|is_as_wide|is_as_large|layers_as_wide|learns_no_positions"
"""Checks that make networks and do not call them."""
SIDES = (
    raising, phrases, defaults, following, exchanged, weights, factors, samples, spacing, asking, places, alone, rules, passing,
)  # fmt: skip
"""What is looked at, in this order: what tells most comes first. Of exceptions' messages it is told where nothing else tells what is wrong."""


class Seen(NamedTuple):
    """What was seen: a phrase, and what it means."""

    name: str
    explanation: str


def observed(look: Look) -> Seen | None:
    """What was seen in the checks that failed, one thing or two; None if that is nothing that tells."""
    facts = list(dict.fromkeys(islice(_all(look), MOST)))
    told = _underlying(look, facts) or _chosen(facts, frozenset(look.failures), 2 if look.whole else 1)
    if not told:
        return None
    names = list(dict.fromkeys(fact.says for fact in told))
    return Seen(" and ".join(names), " ".join(dict.fromkeys(fact.means for fact in told)))


def leaves_nothing_to_conclude(failures: dict[str, Evidence]) -> bool:
    """Whether a network changes its arguments, or its samples mix, whatever its mode: its other checks may fail for that."""
    told = [evidence.got for evidence in failures.values() if isinstance(evidence.got, str)]
    return any(said.startswith("changed ") or said.endswith(EITHER) for said in told)


def _underlying(look: Look, facts: list[Fact]) -> list[Fact]:
    """Of a network, what leaves nothing to conclude from its other checks: these call it more than once, and lay side by side in a batch what they compare."""
    if not look.exercise[0].isupper():
        return []
    if changed := [fact for fact in facts if fact.says.endswith(IN_PLACE)]:
        return changed[:1]
    if mixed := [fact for fact in facts if fact.says.endswith(EITHER)]:
        made = [fact for fact in facts if all(re.search(MADE, name) for name in fact.covers)]
        return [*mixed, *made][:2]
    return []


def _all(look: Look) -> Iterator[Fact]:
    merged: dict[tuple[str, str, bool], frozenset[str]] = {}
    for side in (*SIDES, messages):
        if side is messages and any(sure for _, _, sure in merged):
            break
        for fact in side(look):
            key = (fact.says, fact.means, fact.sure)
            merged[key] = merged.get(key, frozenset()) | fact.covers
    for (says, means, sure), covers in merged.items():
        yield Fact(says, means, covers, sure)


def _chosen(facts: list[Fact], failed: frozenset[str], most: int) -> list[Fact]:
    """One fact or two: those that were seen in most of the checks that failed, and of such the first that tell what is wrong."""

    def worth(told: tuple[Fact, ...]) -> float:
        seen = frozenset().union(*(fact.covers for fact in told))
        return 10 * len(seen & failed) / len(failed) + 2 * all(fact.sure for fact in told) - 0.5 * len(told)

    sets: list[tuple[Fact, ...]] = [(fact,) for fact in facts if fact.sure or most > 1]
    if most > 1:
        sets += combinations([fact for fact in facts if fact.sure], 2)
    best: tuple[Fact, ...] = max(sets, key=worth, default=())
    seen = frozenset().union(*(fact.covers for fact in best))
    return list(best) if any(fact.sure for fact in best) or len(seen) >= SOME * len(failed) else []
