"""pytest at the desk: the hooks and fixtures that `exercises/conftest.py` brings in.

The checks run as ordinary tests, so that paths, `-k`, `-x` and `--pdb` work; only what is printed is ours, through
public hooks. An exercise that is not written, or that waits for another, is a skipped test and no failure.
"""

import gc
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import torch

from grader.checks.collect import exercise_of
from grader.checks.run import cause
from grader.checks.state import SEED, derive, tidy
from grader.checks.under_test import UnderTest
from grader.course import ROOT, Exercise, Section, find_exercise, section, sections
from grader.desk import asking, patience, terminal, training, trial
from grader.desk.live import Live
from grader.desk.progress import PASS, UNKNOWN, Progress, Standing
from grader.desk.training import LONG, Training
from grader.findings import Finding, examine, trim

__all__ = [
    "code",
    "pytest_addoption",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_ignore_collect",
    "pytest_pyfunc_call",
    "pytest_report_teststatus",
    "pytest_runtest_makereport",
    "pytest_runtest_protocol",
    "pytest_runtest_setup",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "rng",
]

FOLDERS = ("checks", "end_to_end", "shortcut")
"""Under exercises/: the graded checks, the reward and the libraries' way, run in this order within a section."""
NOT_FINDINGS = (pytest.skip.Exception, pytest.exit.Exception)


@dataclass
class Run:
    """What this run of pytest knows.

    Attributes:
        progress: where the learner stands.
        quiet: it runs the course's tests alone, and pytest's own words are left out.
        everything: all failures are told.
        keyword: what `-k` said.
        wanted: what that names, if it is exactly the name of an exercise or a section: then that is picked and nothing else.
        fresh: rewards train anew.
        live: what is seen meanwhile.
        totals: how many checks each exercise has.
        asked: the exercises that were asked for.
        rewards: what gives no points.
    """

    progress: Progress
    quiet: bool
    everything: bool
    keyword: str = ""
    wanted: Exercise | Section | None = None
    fresh: bool = False
    live: Live | None = None
    totals: Counter = field(default_factory=Counter)
    asked: dict[str, Standing] = field(default_factory=dict)
    rewards: list[terminal.Reward] = field(default_factory=list)

    def settle(self, exercise: str) -> Standing:
        self.progress.standing(exercise).total = self.totals[exercise]
        self.asked[exercise] = self.progress.settle(exercise)
        return self.asked[exercise]


RUN = pytest.StashKey[Run]()
FINDING = pytest.StashKey[Finding]()


@dataclass(frozen=True)
class Place:
    """Where a test of the course belongs; only a check has an exercise."""

    folder: str
    stem: str
    exercise: str = ""


def place_of(item: pytest.Item) -> Place | None:
    """The place of a test in the course, None if it is not the course's."""
    path = item.path.resolve()
    if not isinstance(item, pytest.Function) or not path.is_relative_to(ROOT / "exercises"):
        return None
    folder, *inner = path.relative_to(ROOT / "exercises").parts
    if folder == "checks" and len(inner) == 2 and inner[0] in sections():
        return Place(folder, inner[0], exercise_of(item, inner[0]))
    stem = path.stem.removeprefix("test_")
    return Place(folder, stem) if folder in FOLDERS and len(inner) == 1 and stem in sections() else None


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("unstatic", "the course's checks")
    group.addoption("--seed", type=int, default=SEED, help=f"draw other inputs for the checks (default: {SEED})")
    group.addoption("--fresh", action="store_true", help="train anew for the end to ends, though nothing has changed")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*exercises): run only when these exercises pass")
    config.addinivalue_line("markers", "end_to_end: trains; left out by -m 'not end_to_end'")
    folder = config.invocation_params.dir
    try:
        config.args = [test for argument in config.args for test in asking.tests_of(argument, folder)]
    except asking.NoExerciseError as error:
        raise pytest.UsageError(str(error)) from error
    paths = [(folder / argument.split("::")[0]).resolve() for argument in config.args]
    quiet = all(path.is_relative_to(ROOT / "exercises") for path in paths) and not config.option.collectonly
    try:
        patience.limit()
    except patience.LimitError as error:
        raise pytest.UsageError(str(error)) from error
    config.addinivalue_line("filterwarnings", "ignore::pytest.PytestCacheWarning")  # a folder where nothing can be kept
    seed = config.getoption("--seed", default=SEED)
    run = Run(Progress(None if seed == SEED else seed), quiet, everything=config.option.verbose > 0)
    run.keyword, run.fresh = config.option.keyword, config.getoption("--fresh", default=False)
    config.stash[RUN] = run
    if all(path.is_relative_to(ROOT / "exercises") for path in paths):
        run.wanted = asking.names().get(run.keyword.strip())
    if run.wanted is not None:
        config.option.keyword = ""  # picked here: pytest would take all whose name or path holds the word
    if quiet:
        config.option.verbose = -2  # pytest's header, dots and last line are replaced by ours
        config.option.dist, config.option.tx = "no", []  # of pytest-xdist: no worker alone knows what comes next


def _is_wanted(place: Place, wanted: Exercise | Section) -> bool:
    return place.exercise == wanted.name if isinstance(wanted, Exercise) else place.stem == wanted.stem


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where one exercise or section is wanted, the tests of the others are not even imported."""
    wanted = config.stash[RUN].wanted if RUN in config.stash else None
    if wanted is None or not collection_path.is_relative_to(ROOT / "exercises"):
        return None
    folder, *inner = [*collection_path.relative_to(ROOT / "exercises").parts, ""]
    if folder not in FOLDERS or inner == [""]:
        return None
    stem = wanted.section if isinstance(wanted, Exercise) else wanted.stem
    if folder != "checks":
        return isinstance(wanted, Exercise) or inner[0] != f"test_{stem}.py" or None
    elsewhere = inner[0] not in (stem, "__init__.py")
    other = isinstance(wanted, Exercise) and inner[1].startswith("test_") and inner[1] != f"test_{wanted.name}.py"
    return elsewhere or other or None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    run = config.stash[RUN]
    if run.wanted is not None:
        left = [item for item in items if (place := place_of(item)) and not _is_wanted(place, run.wanted)]
        items[:] = [item for item in items if item not in left]
        config.hook.pytest_deselected(items=left)
    places = {item: place for item in items if (place := place_of(item))}
    for item, place in places.items():
        item.add_marker(pytest.mark.filterwarnings("ignore"))  # a learner's warnings are no errors
        run.totals[place.exercise] += 1
    if any("::" in argument for argument in config.args):  # then not all the checks of an exercise are collected
        for name in {place.exercise for place in places.values()} - {""}:
            run.totals[name] = len(trial.checks_of(find_exercise(name)))
    if len(places) == len(items):
        items.sort(key=lambda item: _order(places[item]))


def _order(place: Place) -> tuple[int, int, int]:
    exercises = list(section(place.stem).exercises)
    number = exercises.index(place.exercise) if place.exercise else 0
    return list(sections()).index(place.stem), FOLDERS.index(place.folder), number


@pytest.fixture
def code(request: pytest.FixtureRequest) -> UnderTest:
    """The learner's module of the section that the test belongs to."""
    place = place_of(request.node)
    assert place is not None, f"{request.node.nodeid} asks for `code` and is no test of the course"
    return UnderTest(request.config.stash[RUN].progress.module(place.stem))


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> torch.Generator:
    """A generator with a seed of its own for each check."""
    return torch.Generator().manual_seed(derive(request.config.stash[RUN].progress.seed, request.node.name))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, Any, Any]:
    """Show at which exercise the run is, and settle an exercise after the last of its checks."""
    place = place_of(item)
    if place is None:
        return (yield)
    run = item.config.stash[RUN]
    if run.quiet and run.live is None:
        run.live = Live(item.config.pluginmanager.get_plugin("terminalreporter"))
    if run.live:
        run.live.working_on(section(place.stem), place.exercise or place.folder.replace("_", " "))
    result = yield
    if place.exercise and (nextitem is None or place_of(nextitem) != place):
        standing = run.settle(place.exercise)
        if run.live:
            run.live.settled(standing)
    if run.live and nextitem is None:
        run.live.end_of_section()
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what cannot pass: no inputs are drawn in vain, and one cause gives one failure."""
    if (place := place_of(item)) is None:
        return
    progress = item.config.stash[RUN].progress
    if not progress.readable(place.stem):
        pytest.skip(f"exercises/{place.stem}.py cannot be imported")
    if place.exercise and progress.hopeless(place.exercise):
        pytest.skip(f"{place.exercise} is not written, or waits for another exercise")
    needs = [name for marker in item.iter_markers("needs") for name in marker.args]
    if lacking := [name for name in needs if not progress.passes(name)]:
        pytest.skip(f"waits for {', '.join(lacking)}")
    for mark in LONG:
        if item.get_closest_marker(mark) and mark not in item.config.option.markexpr:
            pytest.skip(f"takes minutes: run it with `pytest {item.path.relative_to(ROOT).as_posix()} -m {mark}`")


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, Any, Any]:
    """Run a test of the course with known global state, and turn what it raises into a finding."""
    if (place := place_of(pyfuncitem)) is None:
        return (yield)
    run, name = pyfuncitem.config.stash[RUN], pyfuncitem.name
    progress = run.progress
    if hasattr(pyfuncitem.obj, "hypothesis"):
        hypothesis.seed(derive(progress.seed, name))(pyfuncitem.obj)
    reward = Training(pyfuncitem, section(place.stem), progress, run.fresh) if place.folder == "end_to_end" else None
    seconds = patience.limit() if place.exercise else training.seconds(pyfuncitem)
    with tidy(progress.seed, reward.threads if reward else 1):
        try:
            with patience.within(seconds):
                result = yield
        except NOT_FINDINGS:
            raise
        except KeyboardInterrupt as error:  # of a loop without end: pytest then says where in the learner's code
            raise trim(error, section(place.stem), pyfuncitem.path) from None
        except BaseException as error:
            finding = pyfuncitem.stash[FINDING] = examine(error, name, section(place.stem))
            if place.exercise:
                progress.record(place.exercise, name, finding)
                if progress.hopeless(place.exercise):
                    pytest.skip(str(finding))
            elif reward and finding.facts[0][0] == "found":
                reward.learn("failed", finding.facts[0][1])
            raise trim(cause(error), section(place.stem), pyfuncitem.path) from None
    if place.exercise:
        progress.record(place.exercise, name, None)
    elif reward:
        reward.learn("passed", _recorded(pyfuncitem.user_properties))
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Generator[None, Any, pytest.TestReport]:
    report = yield
    place, finding = place_of(item), item.stash.get(FINDING, None)
    if place is None or (report.failed and finding is None):
        return report  # not the course's, or the course's own fault: then pytest tells it all
    report.unstatic = True
    if report.failed and finding is not None:
        finding.printed = report.capstdout
        report.longrepr = str(finding)
    if not place.exercise and (report.when == "call" or report.skipped):
        reward = terminal.Reward(place.stem, place.folder.replace("_", " "), report.outcome, _said(report))
        item.config.stash[RUN].rewards.append(reward)
    return report


def _said(report: pytest.TestReport) -> str:
    """What the reward or the shortcut says: why it was skipped, what it found, or the text that it recorded."""
    if report.skipped and isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    if report.failed:
        return report.longreprtext
    return _recorded(report.user_properties)


def _recorded(properties: list[tuple[str, object]]) -> str:
    return "; ".join(str(value) for key, value in properties if key == "says")


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Pytest counts and prints nothing of the course's tests."""
    return ("", "", "") if getattr(report, "unstatic", False) else None


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    run = session.config.stash[RUN]
    run.progress.memory.flush()
    if run.quiet:
        gc.freeze()  # at its end pytest collects garbage five times: what torch brought need not be looked through
    if session.exitstatus == pytest.ExitCode.INTERRUPTED:
        return
    for name in [name for name in run.totals if name and name not in run.asked]:
        if run.progress.standing(name).ran and run.progress.standing(name).state == UNKNOWN:
            run.settle(name)  # the run ended in the middle of this exercise
    if session.exitstatus == pytest.ExitCode.OK and any(one.state != PASS for one in run.asked.values()):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    run = config.stash[RUN]
    if (
        exitstatus == pytest.ExitCode.INTERRUPTED
    ):  # by a loop without end, perhaps: run nothing more to find what is next
        summary = terminal.tables(run.progress, list(run.asked.values()))
    elif run.asked or run.rewards:
        summary = terminal.summary(run.progress, list(run.asked.values()), run.rewards, run.everything)
    elif run.quiet and exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        summary = terminal.nothing_matches(run.keyword)
    else:
        return
    terminalreporter.write(terminal.rendered(summary, color=terminalreporter.hasmarkup))
    run.progress.memory.flush()
