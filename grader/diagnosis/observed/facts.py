"""What is looked at where no mistake explains an answer, and what can be said of it."""

import ast
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

from torch import Tensor

from grader.checks.run import Evidence
from grader.diagnosis.evidence import differs, raised
from grader.diagnosis.reference import reference
from grader.diagnosis.replay import Call, Done
from grader.diagnosis.words import words

Step = tuple[str, int, Call, Done]
"""A call of a check that failed: the check, which of its calls, the call, and what the answer did in it."""
NAN = "NaN comes back"
"""What is told where a result or an answer has numbers that are none."""


class Fact(NamedTuple):
    """One thing that was seen.

    Attributes:
        says: a phrase, as the name of a mistake.
        means: a sentence or two to whoever made it.
        covers: the checks that failed in which it was seen.
        sure: whether it tells what is wrong; otherwise it tells only where.
    """

    says: str
    means: str
    covers: frozenset[str]
    sure: bool = True


class Look:
    """A wrong answer as it is looked at.

    Attributes:
        stem: the section.
        exercise: the exercise.
        seed: of the run.
        failures: by the name of each check that failed, what was left behind.
        passed: the names of the checks that passed.
        trail: the calls of the checks that failed, as far as they can be compared.
        whole: whether these are all failures that there are.
    """

    def __init__(
        self,
        stem: str,
        exercise: str,
        seed: int,
        failures: dict[str, Evidence],
        passed: list[str],
        trail: list[Step],
        whole: bool = True,
    ) -> None:
        self.stem, self.exercise, self.seed = stem, exercise, seed
        self.failures, self.passed, self.trail, self.whole = failures, passed, trail, whole

    @cached_property
    def telling(self) -> list[Step]:
        """The calls in which the results are wrong."""
        return [step for step in self.trail if differs(step[3].result, step[2].right.result)]

    @cached_property
    def valued(self) -> list[Step]:
        """Those of them in which numbers came back where numbers are due."""
        return [step for step in self.telling if not raised(step[3].result) and not raised(step[2].right.result)]

    @cached_property
    def right(self) -> list[Step]:
        """The calls in which all is right."""
        wrong = {id(step) for step in self.telling}
        return [step for step in self.trail if id(step) not in wrong]

    def fact(self, says: str, means: str, steps: list[Step] | None = None, sure: bool = True) -> Fact:
        """A fact that was seen in these calls, or in all that tell."""
        return Fact(says, means, frozenset(step[0] for step in (self.telling if steps is None else steps)), sure)


def given(call: Call) -> dict[str, Any]:
    """The arguments of a call by name."""
    return dict(zip(call.names, call.args, strict=False)) | call.kwargs


def called(name: str, value: Any = None) -> str:
    """An argument in the field's words; by its own name if it is told that its value is text, which no symbol stands for."""
    return name if isinstance(value, str) else words(ast.Name(name, ast.Load()))


def parts(result: Any) -> tuple[Any, ...]:
    """The results of a call, one or several."""
    return result if isinstance(result, tuple) else (result,)


WORDS = ("first", "second", "third", "fourth", "fifth", "sixth")
SHORT = 14
"""A result is called as the reference calls it if that is no longer."""


def part_name(look: Look, call: Call, index: int) -> str:
    """What one of several results is called; "" of one alone."""
    count = len(parts(call.right.result))
    if count == 1:
        return ""
    definition = reference(look.stem).definitions.get(call.function)
    for node in ast.walk(definition) if definition is not None else ():
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple) and len(node.value.elts) == count:
            said = words(node.value.elts[index])
            if len(said) <= SHORT:
                return said
    return f"the {WORDS[index]} result" if index < len(WORDS) else "a result"


def numbers(value: Any) -> bool:
    """Whether it is a tensor of real numbers."""
    return isinstance(value, Tensor) and value.is_floating_point()


def wrong_parts(steps: list[Step]) -> Iterator[tuple[int, list[tuple[Step, Tensor, Tensor]]]]:
    """Of each result that is wrong in some call: its number, and where it is so, with what came back and what is right."""
    counts = {len(parts(step[2].right.result)) for step in steps}
    if len(counts) != 1 or any(len(parts(step[3].result)) not in counts for step in steps):
        return
    for index in range(counts.pop()):
        pairs = [(step, parts(step[3].result)[index], parts(step[2].right.result)[index]) for step in steps]
        wrong = [pair for pair in pairs if differs(pair[1], pair[2])]
        if wrong and all(numbers(mine) and numbers(right) for _, mine, right in wrong):
            yield index, wrong
