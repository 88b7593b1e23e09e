"""One thread for torch: the tests share their machine. And `--exercise NAME`: only what concerns one exercise."""

import atexit
import gc
import os
import sys
from collections.abc import Generator, Iterator

import pytest
import torch

from grader.course import find_exercise, sections
from tests.github import api  # noqa: F401  a fixture
from tests.judges import idle_judges, judge, lent_judges  # noqa: F401  fixtures

torch.set_num_threads(1)
gc.freeze()  # what torch brought stays to the end: no collection of garbage need look through it, nor through the tests below
atexit.register(gc.freeze)
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type] # a second for jsonschema's grammar of what no test has

LONG = (
    "attacks", "desk", "grade", "nbgrader", "site_in_browser", "sandbox", "interpreter_flags", "release", "exercises", "judge",
    "syllabus", "contributor", "cell_by_cell", "stubs", "syllabus_judged", "section_notebooks", "learner", "cluster", "under_load",
)  # fmt: skip
"""The files whose tests take longest come first, so that at the end no process has a long one left while others have nothing to do.

Seen with `make test PYTEST_FLAGS=--durations=0`; an order that is out of date costs seconds, and nothing else.
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--exercise", metavar="NAME", help="run only the tests that concern this exercise")


def pytest_configure(config: pytest.Config) -> None:
    if name := config.getoption("--exercise"):
        try:
            find_exercise(name)
        except ValueError as error:
            raise pytest.UsageError(f"--exercise: {error}") from error


@pytest.hookimpl(wrapper=True, optionalhook=True)  # of pytest-xdist
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """One process more than there are cores, if nobody says how many: many tests wait, for a limit or for a judge."""
    count = yield
    return count if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else count + 1


def pytest_collection_finish() -> None:
    gc.freeze()


@pytest.fixture(autouse=True)
def _the_learners_modules_are_those_of_the_course() -> Iterator[None]:
    """The desk imports a section under the name of the learner's module, wherever its file lies: it is put back."""
    names = [f"exercises.{stem}" for stem in sections()]
    before = {name: sys.modules[name] for name in names if name in sys.modules}
    yield
    for name in names:
        sys.modules.pop(name, None)
    sys.modules.update(before)


@pytest.hookimpl(tryfirst=True)  # pytest-xdist looks at the groups afterwards
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    asked = config.getoption("--exercise")
    kept = [item for item in items if not asked or item.get_closest_marker("concerns")]
    if asked:
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept if asked else sorted(kept, key=_place)
    for item in items:  # what is worked out once for a module, or for a section of the course, stays in one process
        stems = [mark.args[0] for mark in item.iter_markers("concerns")]
        item.add_marker(pytest.mark.xdist_group("-".join([item.path.stem, *stems[:1]])))


def _place(item: pytest.Item) -> int:
    name = item.path.stem.removeprefix("test_")
    return LONG.index(name) if name in LONG else len(LONG)
