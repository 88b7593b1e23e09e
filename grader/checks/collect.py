"""The checks of a section, collected once by pytest and run against any number of implementations.

A check is a test function in `exercises/checks/sN_name/test_<exercise>.py` named `test_<exercise>_<sentence>`. It reaches
the code under test through the fixture `code`, and may ask for `rng`, a seeded torch.Generator; everything else it needs, it
draws with Hypothesis or makes itself. That is what lets the same function run at the learner's desk, in the judge
against a jail, and in the diagnosis against known mistakes.
"""

import contextlib
import inspect
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import torch

from grader.checks.state import derive
from grader.course import ROOT, section

FIXTURES = ("code", "rng")


@dataclass(frozen=True)
class Check:
    """One graded test.

    Attributes:
        name: the test's name, with its parameters in brackets.
        section: the stem of its section.
        exercise: the exercise it belongs to.
        function: the test function.
        parameters: what `pytest.mark.parametrize` gives it.
        fixtures: which of `FIXTURES` it asks for.
        own: whether it is an instructor's, not the course's.
        hidden: whether learners are not shown it.
    """

    name: str
    section: str
    exercise: str
    function: Callable[..., None]
    parameters: dict[str, Any]
    fixtures: tuple[str, ...]
    own: bool = False
    hidden: bool = False

    @property
    def sentence(self) -> str:
        """What it says in words: the first line of its docstring, or its name without the exercise's."""
        return sentence(self.function, self.name, self.exercise)

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


def sentence(function: Callable[..., None], name: str, exercise: str) -> str:
    """What a check says in words: the first line of its docstring, or its name without the exercise's."""
    own = (function.__doc__ or "").strip().split("\n")[0].rstrip(".")
    return own or name.removeprefix(f"test_{exercise}_").replace("_", " ")


@cache
def collect(stem: str) -> tuple[Check, ...]:
    """The checks of section `stem`: exercise by exercise in the order of the course, each in the order of its file."""
    return _collected(section(stem).checks, stem, f"the checks of {stem}")


@cache
def of_exercise(stem: str, exercise: str) -> tuple[Check, ...]:
    """The checks of one exercise, for which the files of the others need not be imported."""
    path = section(stem).checks / f"test_{exercise}.py"
    return _collected(path, stem, f"the checks of {exercise}") if path.is_file() else ()


@cache
def collect_own(folder: str, stem: str, hidden: bool = False) -> tuple[Check, ...]:
    """An instructor's checks of section `stem`, from sN_name/test_<exercise>.py in a folder of theirs; none if it has no such.

    Raises:
        RuntimeError: they cannot be collected; the message says which file and line.
    """
    place = Path(folder, stem)
    if not any(place.rglob("test_*.py")):
        return ()
    ours = {check.name for check in collect(stem)}
    found = _collected(place, stem, f"the checks in {place}")
    if taken := [check for check in found if check.name in ours]:
        raise RuntimeError(
            f"{_where(taken[0].function)}: {taken[0].name} is the name of a check of ours: choose another"
        )
    if waiting := [check for check in found if inspect.iscoroutinefunction(check.function)]:
        raise RuntimeError(
            f"{_where(waiting[0].function)}: {waiting[0].name} is async, and would pass without being run: begin it with def"
        )
    return tuple(replace(check, own=True, hidden=hidden) for check in found)


def place_of(function: Callable[..., None]) -> tuple[Path, int]:
    """The file and the line where a check is."""
    code = inspect.unwrap(function).__code__
    return Path(code.co_filename), code.co_firstlineno


def _where(function: Callable[..., None]) -> str:
    return ":".join(map(str, place_of(function)))


def _collected(folder: Path, stem: str, what: str) -> tuple[Check, ...]:
    catcher = _Catcher()
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.redirect_stderr(said):
        status = pytest.main(
            [
                str(folder),
                "--collect-only",
                "-q",
                "-p",
                "no:cacheprovider",
                "-p",
                "no:benchmark",  # it makes a folder where one stands
                "-p",
                "no:unraisableexception",  # at its end it collects garbage five times, all of torch each time
                "--noconftest",
                "--capture=no",  # the process has other users of its descriptors than pytest
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
    if status == pytest.ExitCode.NO_TESTS_COLLECTED:
        return ()
    if status != pytest.ExitCode.OK:
        raise RuntimeError(f"{what} cannot be collected:\n{said.getvalue()}")
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
        raise RuntimeError(
            f"{_where(item.obj)}: {item.name} asks for {sorted(unknown)}; a check may ask for {FIXTURES} only"
        )
    return Check(item.name, stem, exercise_of(item, stem), item.obj, parameters, fixtures)


def exercise_of(item: pytest.Function, stem: str) -> str:
    """The exercise that a check belongs to: its file's.

    Raises:
        RuntimeError: the file is no exercise's of the section, or the check's name does not begin with the exercise's.
    """
    name = item.path.stem.removeprefix("test_")
    if name not in section(stem).exercises:
        raise RuntimeError(f"{item.path} names no exercise of {stem}: call it test_<exercise>.py")
    if not item.originalname.startswith(f"test_{name}_"):
        raise RuntimeError(
            f"{_where(item.obj)}: {item.originalname} is the name of no exercise's check: call it test_{name}_<sentence>"
        )
    return name
