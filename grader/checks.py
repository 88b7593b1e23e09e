"""The checks of a section, collected once by pytest and run against any number of implementations.

A check is a test function in `exercises/checks/sN_name/test_<exercise>.py` named `test_<exercise>_<sentence>`. It reaches
the code under test through the fixture `code`, and may ask for `rng`, a seeded torch.Generator; everything else it needs, it
draws with Hypothesis or makes itself. That is what lets the same function run at the learner's desk, in the judge
against a jail, and in the diagnosis against known mistakes.
"""

import contextlib
import hashlib
import io
import linecache
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import hypothesis
import pytest
import torch

from exercises.checks.expect import Mismatch
from grader.course import ROOT, section
from grader.faults import Raised, verdict_of

FIXTURES = ("code", "rng")


@dataclass(frozen=True)
class Check:
    """One graded test.

    Attributes:
        name: the test's name, with its parameters in brackets.
        exercise: the exercise it belongs to.
        function: the test function.
        parameters: what `pytest.mark.parametrize` gives it.
        fixtures: which of `FIXTURES` it asks for.
    """

    name: str
    exercise: str
    function: Callable[..., None]
    parameters: dict[str, Any]
    fixtures: tuple[str, ...]

    def run(self, code: Any, seed: int) -> None:
        """Run the check on `code`; it returns, or raises what it found. The same seed draws the same inputs."""
        given = dict(self.parameters)
        if "code" in self.fixtures:
            given["code"] = code
        if "rng" in self.fixtures:
            given["rng"] = torch.Generator().manual_seed(derive(seed, self.name))
        function = self.function
        if hasattr(function, "hypothesis"):
            function = hypothesis.seed(derive(seed, self.name))(function)
        function(**given)


def derive(seed: int, name: str) -> int:
    """A seed of its own for each check, from which neither the course's seed nor another check's can be had."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=6).digest(), "big")


def global_seed(seed: int) -> int:
    """What the global random number generators start from in each check, at the desk and in the jail alike.

    A submission can read it back, so it keeps three bits of the seed: too few to find out what the inputs are drawn from.
    """
    return derive(seed, "global") % 8


class Outcome(NamedTuple):
    """What a check gave.

    Attributes:
        verdict: "pass", or what `faults.verdict_of` says; "unfinished" too for a stub in this process.
        got: what came back instead of the right answer (`Mismatch.got`), or "raised <class>"; None where it passed.
        error: the exception behind it; None where it passed.
    """

    verdict: str
    got: Any
    error: BaseException | None


def outcome(check: Check, code: Any, seed: int) -> Outcome:
    """Run the check on `code` and say what it gave; only KeyboardInterrupt comes through."""
    try:
        check.run(code, seed)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        first = error
        while isinstance(first, BaseExceptionGroup):  # Hypothesis groups the answers of code that is not deterministic
            first = first.exceptions[0]
        return Outcome("unfinished" if from_stub(first) else verdict_of(first), got_of(first), first)
    return Outcome("pass", None, None)


def got_of(error: BaseException) -> Any:
    """What an exception raised by a check says that the code under test gave."""
    if isinstance(error, Mismatch):
        return error.got
    return f"raised {error.kind if isinstance(error, Raised) else type(error).__name__}"


def from_stub(error: BaseException) -> bool:
    """Whether a stub's own line raised it: torch raises NotImplementedError too, for a dtype that it does not support."""
    if not isinstance(error, NotImplementedError) or isinstance(error, Raised):
        return False
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return "NotImplementedError" in linecache.getline(frame.filename, frame.lineno or 0)


@cache
def collect(stem: str) -> tuple[Check, ...]:
    """The checks of section `stem`: exercise by exercise in the order of the course, each in the order of its file."""
    catcher = _Catcher()
    with contextlib.redirect_stdout(io.StringIO()) as said:
        status = pytest.main(
            [
                str(section(stem).checks),
                "--collect-only",
                "-q",
                "-p",
                "no:cacheprovider",
                "--noconftest",
                "--assert=plain",  # the checks say what they find themselves, and need not be rewritten
                f"--rootdir={ROOT}",
                "-c",
                str(ROOT / "pyproject.toml"),
                "-o",
                "addopts=--import-mode=importlib",
                "-o",
                "filterwarnings=ignore",
            ],
            plugins=[catcher],
        )
    if status != pytest.ExitCode.OK:
        raise RuntimeError(f"the checks of {stem} cannot be collected:\n{said.getvalue()}")
    order = list(section(stem).exercises)
    return tuple(sorted((_check(item, stem) for item in catcher.items), key=lambda check: order.index(check.exercise)))


class _Catcher:
    """A pytest plugin that keeps the collected items and offers the names of our fixtures."""

    items: list[pytest.Function]

    def pytest_collection_modifyitems(self, items: list[pytest.Function]) -> None:
        self.items = list(items)

    @pytest.fixture
    def code(self) -> None: ...

    @pytest.fixture
    def rng(self) -> None: ...


def _check(item: pytest.Function, stem: str) -> Check:
    parameters = dict(item.callspec.params) if hasattr(item, "callspec") else {}
    fixtures = tuple(name for name in item.fixturenames if name not in parameters and name != "request")
    if unknown := set(fixtures) - set(FIXTURES):
        raise RuntimeError(f"{item.nodeid} asks for {sorted(unknown)}; a check may ask for {FIXTURES} only")
    return Check(item.name, exercise_of(item, stem), item.obj, parameters, fixtures)


def exercise_of(item: pytest.Function, stem: str) -> str:
    """The exercise that a check belongs to: its file's.

    Raises:
        RuntimeError: the file is no exercise's of the section, or the check's name does not begin with the exercise's.
    """
    name = item.path.stem.removeprefix("test_")
    if name not in section(stem).exercises:
        raise RuntimeError(f"{item.path.name} names no exercise of {stem}: call it test_<exercise>.py")
    if not item.originalname.startswith(f"test_{name}_"):
        raise RuntimeError(f"{item.originalname} in {item.path.name}: call it test_{name}_<sentence>")
    return name
