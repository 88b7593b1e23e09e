"""Each exercise proves itself: stubs fail, solutions and alternatives pass, each misconception is caught and named.

Causes come first: what a check that fails on the reference would say of alternatives and misconceptions is skipped, and says where
to begin. `make exercise NAME=q_sample` runs this for one exercise.
"""

import importlib.util
import warnings
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from exercises.checks.expect import Mismatch
from grader.checks.collect import Check, collect
from grader.checks.run import Evidence, Outcome, outcome
from grader.checks.state import tidy
from grader.checks.under_test import UnderTest
from grader.course import ROOT, Exercise, section
from grader.diagnosis import patient
from grader.diagnosis.candidates import Candidate
from grader.diagnosis.diagnose import diagnose
from grader.diagnosis.listed import Misconception, load
from grader.judging.judge import Request
from grader.judging.results import Row
from tests.ahead import Ahead, ahead
from tests.each import alternatives, answers, pytest_generate_tests  # noqa: F401  runs what follows for each
from tests.judges import begin

SEED = 1


def where(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def checks_file(exercise: str, stem: str) -> str:
    return where(section(stem).checks / f"test_{exercise}.py")


def mistakes_file(exercise: str, stem: str) -> str:
    return where(section(stem).misconceptions / f"{exercise}.toml")


@cache
def module_at(path: Path) -> ModuleType:
    """Import a module by its path; an alternative built on an absent library is skipped."""
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}.{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings(action="ignore"):  # libraries deprecate things as they please
        try:
            spec.loader.exec_module(module)
        except ImportError as error:
            pytest.skip(f"{path.parent.name} needs a library that is not installed: {error}")
    return module


def checks_of(stem: str, exercise: str) -> list[Check]:
    return [check for check in collect(stem) if check.exercise == exercise]


def run(check: Check, module: ModuleType) -> Outcome:
    with tidy(SEED), warnings.catch_warnings(action="ignore"):
        return outcome(check, UnderTest(module), SEED)


@cache
def said_of_the_solution(stem: str, name: str) -> str:
    """What a check says of the reference; nothing if that passes."""
    check = next(check for check in collect(stem) if check.name == name)
    error = run(check, module_at(section(stem).solution)).error
    return "" if error is None else f"{type(error).__name__}: {error}"


def sound_checks(stem: str, exercise: str) -> list[Check]:
    """The checks of the exercise; a test is skipped if one fails on the reference, whatever that one says of others."""
    for check in checks_of(stem, exercise):
        if said_of_the_solution(stem, check.name):
            pytest.skip(f"{check.name} fails on the reference: begin with test_the_solution_passes[{check.name}]")
    return checks_of(stem, exercise)


# ------------------------------------------------------------------------------------- stubs, solutions, alternatives


def test_an_exercise_has_a_check(exercise):
    file = checks_file(exercise.name, exercise.section)
    assert checks_of(exercise.section, exercise.name), f"{file} has no test_{exercise.name}_<sentence>: write one"


def test_the_stub_is_unfinished(check):
    stub = section(check.section).stub
    found = run(check, module_at(stub))
    assert found.verdict == "unfinished", (
        f"{check.name} says {found.verdict} of {where(stub)}: {found.error or 'it passes'}. "
        f"A check in {checks_file(check.exercise, check.section)} has to call code.{check.exercise} before it decides"
    )


def test_the_solution_passes(check):
    said, of = said_of_the_solution(check.section, check.name), section(check.section)
    assert not said, (
        f"{check.name} fails on the reference: "
        f"mend {check.exercise} in {where(of.solution)}, or the check in {checks_file(check.exercise, of.stem)}\n{said}"
    )


@pytest.fixture(scope="module")
def graded(judge, pytestconfig) -> Callable[[Exercise], Row]:
    """What the judge says of an exercise of the reference, whose section is graded in one go unless one exercise alone is tested."""
    rows: dict[str, Row] = {}

    def row(exercise: Exercise) -> Row:
        if exercise.name not in rows:
            of = section(exercise.section)
            only = (exercise.name,) if pytestconfig.getoption("--exercise") else tuple(of.exercises)
            request = Request(of.stem, of.solution.name, of.solution.read_text(encoding="utf-8"), SEED, only)
            rows.update({row["exercise"]: row for row in judge.grade(request)})
        return rows[exercise.name]

    return row


def test_the_solution_passes_in_the_sandbox_too(graded, exercise):
    sound_checks(exercise.section, exercise.name)
    row, solution = graded(exercise), section(exercise.section).solution
    assert row["verdict"] == "pass", (
        f"{exercise.name} in {where(solution)} passes at the desk and is {row['verdict']} when it is graded: "
        f"what do the checks in {checks_file(exercise.name, exercise.section)} hand out that cannot cross?\n{row['message']}"
    )


def test_an_alternative_passes(alternative):
    path, exercise = alternative
    module = module_at(path)
    for check in sound_checks(path.stem, exercise):
        error = run(check, module).error
        assert error is None, (
            f"{check.name} fails on {where(path)}: if that is right, "
            f"mend the check in {checks_file(exercise, path.stem)}\n{type(error).__name__}: {error}"
        )


def test_an_exercise_has_an_alternative(exercise):
    paths = alternatives(exercise.section)
    assert any(exercise.name in answers(path) for path in paths), (
        f"no alternative defines {exercise.name}: write it otherwise in solutions/alternatives/STYLE/{exercise.section}.py"
        f" (there are {', '.join(path.parent.name for path in paths) or 'none'})"
    )


# ------------------------------------------------------------------------------------------------------ misconceptions


class Seen(NamedTuple):
    """What a check sees of a misconception: the evidence, and what broke that is neither a verdict nor in the edited code."""

    evidence: Evidence | None
    broken: str


def look(known: Misconception, name: str) -> Seen:
    """A kill is a check that says Mismatch, or meets an exception of the edited code."""
    check = next(check for check in checks_of(known.section, known.exercise) if check.name == name)
    found = run(check, known.module())
    if found.error is None:
        return Seen(None, "")
    sound = isinstance(found.error, Mismatch) or raised_within(found.error, known)
    return Seen(found.evidence, "" if sound else repr(found.error))


looking = Ahead(look, 0)


@pytest.fixture(scope="module", autouse=True)
def _other_cores_look_ahead(request: pytest.FixtureRequest) -> Iterator[None]:
    """Where one exercise alone is tested, and by one process: else the other cores are busy."""
    global looking
    if not request.config.getoption("--exercise") or hasattr(request.config, "workerinput"):
        yield
        return
    items = (item for item in request.session.items if item.originalname == "test_a_misconception_is_caught_and_named")
    known = [item.callspec.params["misconception"] for item in items]
    tasks = [(each, check.name) for each in known for check in checks_of(each.section, each.exercise)]
    with ahead(look, tasks) as looking:
        begin(request.config)  # after the others are forked: a thread of ours may hold a lock
        yield


@lru_cache(maxsize=1000)  # what an exercise's tests ask for again; the evidence of all the course would be gigabytes
def seen(known: Misconception, name: str) -> Seen:
    return looking(known, name)


@cache
def fails(known: Misconception, name: str) -> bool:
    return seen(known, name).evidence is not None


run_on = patient.answer


def remembered(candidate: Candidate, stem: str, name: str, seed: int) -> Any:
    """What `diagnose` asks of a candidate, where it is an exercise's own listed mistake."""
    check = next(check for check in collect(stem) if check.name == name)
    if candidate.known is None or candidate.known.exercise != check.exercise:
        return run_on(candidate, stem, name, seed)
    evidence = seen(candidate.known, name).evidence
    return patient.left_by(evidence)


def raised_within(error: BaseException, misconception: Misconception) -> bool:
    """Whether the exception passed through the edited code; one that did not may be a broken check's."""
    trace, files = error.__traceback__, set()
    while trace:
        files.add(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    return f"<misconception: {misconception.name}>" in files


def test_a_misconception_is_caught_and_named(misconception, monkeypatch):
    stem, exercise, file = misconception.section, misconception.exercise, mistakes_file
    found = {check.name: seen(misconception, check.name) for check in sound_checks(stem, exercise)}
    broken = {name: saw.broken for name, saw in found.items() if saw.broken}
    assert not broken, f"a check in {checks_file(exercise, stem)} ends with an exception of its own: {broken}"
    failures = {name: saw.evidence for name, saw in found.items() if fails(misconception, name)}
    assert failures, (
        f"no check in {checks_file(exercise, stem)} sees {misconception.name!r} of {file(exercise, stem)}: write one that does"
    )
    # What the checks see of each mistake is worked out once here, for all tests, as it is once for a cohort
    monkeypatch.setattr(patient, "answer", remembered)
    named = diagnose(stem, exercise, failures, SEED)
    assert named is misconception, (
        f"in {file(exercise, stem)}, {misconception.name!r} is taken for {named and named.name!r}, above it: "
        f"to the checks they look alike. Keep one, or write a check that tells them apart"
    )


def test_a_check_sees_a_misconception(check):
    """A check that no known mistake fails is not known to work; and whoever makes its mistake is told no name."""
    sound_checks(check.section, check.exercise)
    listed = [known for known in load(check.section) if known.exercise == check.exercise]
    assert any(fails(known, check.name) for known in listed), (
        f"none of the mistakes in {mistakes_file(check.exercise, check.section)} fails {check.name}: "
        f"add the one that it is there for, or take it out of {checks_file(check.exercise, check.section)}"
    )


def test_an_exercise_has_enough_misconceptions(exercise):
    count, wanted = sum(known.exercise == exercise.name for known in load(exercise.section)), 3
    if exercise.points >= 3:
        wanted = 5
    file = mistakes_file(exercise.name, exercise.section)
    assert count >= wanted, (
        f"{file} has {count} [[misconception]] tables of {wanted}, at {exercise.points:g} points: add some"
    )


def test_explanations_are_two_to_four_sentences_and_names_fit_on_a_line(exercise):
    for known in load(exercise.section):
        if known.exercise != exercise.name:
            continue
        text, entry = known.explanation.strip(), f"{exercise.name}.toml, {known.name!r}"
        ends = [i for i, sign in enumerate(text) if sign in ".!?" and (i + 1 == len(text) or text[i + 1] == " ")]
        assert text.endswith("."), f"{entry}: end the explanation with a full stop"
        assert 2 <= len(ends) <= 4, f"{entry}: the explanation has {len(ends)} sentences; write two to four"
        assert len(known.name) <= 72, f"{entry}: the name has {len(known.name)} characters; 72 fit on a line"
