"""What a sitting makes of guests that are lost, late or broken; the guests are stand-ins in this process, without a jail."""

import contextlib
import importlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from exercises.checks.expect import LAST_CALL
from exercises.checks.notes import NOTES
from grader import faults
from grader.checks.collect import Check, collect
from grader.judging import sitting
from grader.judging.sitting import Request, Sitting
from grader.sandbox.host.imported import Imported
from grader.sandbox.host.limits import Clock

STEM = "s1_forward_reverse"
FIRST, SECOND = "compute_alpha_bar", "q_sample"
REFERENCE = importlib.import_module(f"solutions.{STEM}")
CHECKS = {name: [check.name for check in collect(STEM) if check.exercise == name] for name in (FIRST, SECOND)}
STUB = 3
TEXT = "\n\n    raise NotImplementedError\n"
"""What is handed in, as far as a sitting looks at it: line 3 is a stub's."""
DIED = {"kind": "ValueError", "bases": ["ValueError"], "text": "no", "ordinary": True}


class Guest:
    """A submission as a sitting sees it: functions by name, those that are not given being the reference's."""

    lost = False

    def __init__(self, functions: dict[str, Callable], uses: dict[str, str]) -> None:
        self._functions = functions
        nothing: dict[str, frozenset[str]] = dict.fromkeys((*CHECKS, *functions), frozenset())
        self.imported = Imported(uses=nothing | {name: frozenset({used}) for name, used in uses.items()})
        self.closed = False

    @contextlib.contextmanager
    def session(self, clock: Clock) -> Iterator[Any]:
        there = {name: getattr(REFERENCE, name) for name in CHECKS} | self._functions
        session = SimpleNamespace(**there, printed="", running_line=None)
        session.replace = lambda name, function: setattr(session, name, function)
        yield session

    def close(self) -> None:
        self.closed = True


class Machine:
    """Who has the sandbox: each time it is asked, the next of what it was told to do; the last one for good."""

    def __init__(self, *told: Guest | BaseException) -> None:
        self._told, self.fresh, self.asked, self.given_back = list(told), 0, [], 0

    @property
    def sandbox(self) -> "Machine":
        return self

    def fresh_sandbox(self) -> "Machine":
        self.fresh += 1
        return self

    def give_back(self) -> None:
        self.given_back += 1

    def admit(self, *given: Any) -> Guest:
        self.asked.append(given)
        told = self._told.pop(0) if len(self._told) > 1 else self._told[0]
        if isinstance(told, BaseException):
            raise told
        return told


def rows(machine: Machine, *names: str, **conditions: Any) -> dict[str, Any]:
    request = Request(STEM, f"{STEM}.py", TEXT, 1, names or (FIRST, SECOND), **conditions)
    return {row["exercise"]: row for row in Sitting(machine, request).rows(lambda name: None)}


def verdicts(machine: Machine, *names: str, **conditions: Any) -> list[str]:
    return [row["verdict"] for row in rows(machine, *names, **conditions).values()]


def raising(error: BaseException) -> Callable:
    def function(*args: Any, **kwargs: Any) -> None:
        raise error

    return function


def right(**functions: Callable) -> Guest:
    return Guest(functions, {})


@pytest.fixture(autouse=True)
def diagnosed(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """What is asked of the diagnosis, which takes seconds and is not what this is about."""
    asked: list[dict] = []
    monkeypatch.setattr(sitting, "diagnose", lambda stem, name, failures, seed: asked.append(failures))
    return asked


def test_a_guest_that_is_lost_once_is_put_into_a_fresh_jail_and_twice_is_the_submissions_doing():
    lost = faults.LostGuest("the jail is gone")
    machine = Machine(lost, right())
    assert (verdicts(machine), machine.fresh) == (["pass", "pass"], 1)
    machine = Machine(lost, lost)
    assert (verdicts(machine), machine.fresh) == (["tamper", "tamper"], 2)  # whoever comes next does not meet it


def test_a_jail_that_does_not_work_before_the_submission_is_in_it_is_tried_anew_and_stays_our_fault():
    ours = faults.GraderFault("no process can be made")
    machine = Machine(ours, right())
    assert (verdicts(machine), machine.fresh) == (["pass", "pass"], 1)
    with pytest.raises(faults.GraderFault, match="no process can be made"):
        verdicts(Machine(ours, ours))


def test_what_is_tried_again_with_ours_is_alone_in_the_fresh_jail():
    """Beside it, the submission as it is could have that fail again at will."""
    wrong = {FIRST: lambda betas: 2 * betas}
    beside: list[int] = []

    def failing(*args: Any, **kwargs: Any) -> None:
        if machine.fresh:
            beside.append(len(machine.asked) - machine.before)
        raise faults.GraderFault("no process can be made")

    class Counting(Machine):
        before = 0

        def fresh_sandbox(self) -> Machine:
            self.before = len(self.asked)
            return super().fresh_sandbox()

    machine = Counting(Guest({**wrong, SECOND: failing}, {SECOND: FIRST}))
    assert verdicts(machine) == ["fail", "grader-error"]
    assert set(beside) == {1}


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [
        (faults.raised(DIED), "crash"),
        (faults.Missing("x"), "crash"),
        (faults.OutOfMemory("full"), "memory"),
        (faults.OutputLimit("much"), "output-limit"),
    ],
)
def test_an_import_that_ends_is_never_a_wrong_answer(fault, verdict):
    assert verdicts(Machine(fault)) == [verdict, verdict]


def test_an_import_that_was_stuck_is_tried_once_more_without_what_it_was_at():
    stuck = faults.TimedOut("late")
    stuck.line = 7
    machine = Machine(stuck, right())
    assert verdicts(machine) == ["pass", "pass"]
    assert [given[-2] for given in machine.asked] == [{}, {"1": 7}]
    assert verdicts(Machine(stuck)) == ["timeout", "timeout"]


def test_a_section_whose_time_is_over_has_no_second_try(monkeypatch):
    monkeypatch.setattr(sitting, "SECTION_SECONDS", 0)
    stuck = faults.TimedOut("late")
    stuck.line = 7
    machine = Machine(stuck)
    assert verdicts(machine) == ["timeout", "timeout"]
    assert len(machine.asked) == 1


def test_what_a_section_has_no_time_for_is_told_so(monkeypatch):
    monkeypatch.setattr(sitting, "SECTION_SECONDS", 0)
    found = rows(Machine(right()), FIRST)[FIRST]
    assert found["verdict"] == "timeout"
    assert "the 0 s that a section may take were used up before it began" in found["message"]


@pytest.mark.parametrize("fault", [faults.TimedOut("late"), faults.OutOfMemory("full"), faults.Tampered("lies")])
def test_after_what_is_costly_the_exercises_other_checks_are_not_run(fault):
    called: list[int] = []

    def costly(*args: Any, **kwargs: Any) -> None:
        called.append(1)
        raise fault

    (found,) = rows(Machine(right(**{FIRST: costly})), FIRST).values()
    assert len(called) == 1
    assert {check["verdict"] for check in found["checks"]} == {fault.verdict}
    assert len(found["checks"]) == len(CHECKS[FIRST]) > 1


def test_what_is_not_costly_has_all_checks_run():
    called: list[int] = []

    def crashing(*args: Any, **kwargs: Any) -> None:
        called.append(1)
        raise faults.Crashed("it ended")

    assert verdicts(Machine(right(**{FIRST: crashing})), FIRST) == ["crash"]
    assert len(called) >= len(CHECKS[FIRST])  # Hypothesis calls once more


def test_a_guest_lost_in_a_check_is_tried_again_in_a_fresh_jail_and_then_tampered_with():
    lost = raising(faults.LostGuest("the jail does not work"))
    machine = Machine(right(**{FIRST: lost}), right())
    assert (verdicts(machine, FIRST), machine.fresh) == (["pass"], 1)
    machine = Machine(right(**{FIRST: lost}))
    assert (verdicts(machine, FIRST), machine.fresh) == (["tamper"], 2)  # whoever comes next does not meet it


def test_a_fault_of_ours_in_a_check_is_tried_again_and_stays_ours():
    ours = raising(faults.GraderFault("no descriptor"))
    assert verdicts(Machine(right(**{FIRST: ours}), right()), FIRST) == ["pass"]
    assert verdicts(Machine(right(**{FIRST: ours})), FIRST) == ["grader-error"]


def test_what_fills_the_judges_memory_is_told_so_and_the_next_exercise_has_a_guest_of_its_own():
    class Full(Guest):
        @contextlib.contextmanager
        def session(self, clock: Clock) -> Iterator[Any]:
            raise MemoryError
            yield

    full = Full({}, {})
    assert verdicts(Machine(full, right())) == ["memory", "pass"]
    assert full.closed


def test_a_mistake_of_ours_around_a_check_costs_no_other_exercise():
    class Astray(Guest):
        @contextlib.contextmanager
        def session(self, clock: Clock) -> Iterator[Any]:
            raise ValueError("a number that is none")
            yield

    astray = Astray({}, {})
    machine = Machine(astray, right())
    assert (verdicts(machine), machine.fresh, astray.closed) == (["pass", "pass"], 1, True)
    assert verdicts(Machine(Astray({}, {})), FIRST) == ["grader-error"]


def test_what_ends_as_ours_are_put_in_place_is_the_submissions_doing():
    class Ending(Guest):
        @contextlib.contextmanager
        def session(self, clock: Clock) -> Iterator[Any]:
            with super().session(clock) as session:
                session.replace = raising(faults.Crashed("it ended its process"))
                yield session

    wrong = {FIRST: lambda betas: 2 * betas}
    assert verdicts(Machine(Ending(wrong, {SECOND: FIRST}))) == ["fail", "crash"]


def test_a_guest_that_a_check_took_down_is_not_asked_again():
    class Gone(Guest):
        lost = True

        @contextlib.contextmanager
        def session(self, clock: Clock) -> Iterator[Any]:
            raise faults.Tampered("it ended a process of the grader's")
            yield

    gone = Gone({}, {})
    assert verdicts(Machine(gone, right())) == ["tamper", "pass"]
    assert gone.closed


def test_what_uses_a_wrong_exercise_is_judged_with_ours_or_blocked_where_a_course_says_so():
    wrong = {FIRST: lambda betas: 2 * betas, SECOND: lambda *args, **kwargs: args[0]}
    machine = Machine(Guest(wrong, {SECOND: FIRST}))
    assert verdicts(machine) == ["fail", "fail"]
    found = rows(machine, charge_once=False)
    assert found[SECOND]["verdict"] == "blocked"
    assert found[SECOND]["message"] == f"It uses {FIRST}, which is not right yet: begin there."


def test_what_uses_something_costly_is_not_run_where_ours_do_not_stand_in():
    called: list[int] = []
    functions = {FIRST: raising(faults.TimedOut("late")), SECOND: lambda *args, **kwargs: called.append(1)}
    found = verdicts(Machine(Guest(functions, {SECOND: FIRST})), charge_once=False)
    assert (found, called) == (["timeout", "blocked"], [])


def stub(innermost: bool, function: str) -> faults.Raised:
    error = faults.raised({"kind": "NotImplementedError", "bases": ["NotImplementedError"], "ordinary": True,
                           "function": function, "innermost": innermost, "line": STUB})  # fmt: skip
    assert error.verdict == "unfinished"
    return error


@pytest.mark.parametrize(
    ("innermost", "function", "verdict"),
    [(True, SECOND, "unfinished"), (True, "helper", "unfinished"), (True, FIRST, "fail"), (False, SECOND, "fail")],
    ids=["its own line", "a helper's", "another exercise's", "a library's"],
)
def test_whose_not_implemented_error_it_is_says_what_is_unfinished(innermost, function, verdict):
    found = rows(Machine(right(**{SECOND: raising(stub(innermost, function))})), SECOND)[SECOND]
    assert found["verdict"] == verdict
    assert "holds" not in found


def test_a_stub_that_uses_a_wrong_exercise_is_unfinished_and_not_blocked():
    functions = {FIRST: lambda betas: 2 * betas, SECOND: raising(stub(True, SECOND))}
    assert verdicts(Machine(Guest(functions, {SECOND: FIRST})), charge_once=False) == ["fail", "unfinished"]


def test_a_mistake_is_looked_for_where_checks_fail_and_nothing_else_went_wrong(diagnosed):
    calls: list[int] = []

    def wrong_and_then_gone(betas: Any) -> Any:
        calls.append(1)
        if len(calls) > 1:
            raise faults.Crashed("it ended")
        return 2 * betas

    assert verdicts(Machine(right(**{FIRST: wrong_and_then_gone})), FIRST) == ["fail"]
    assert diagnosed == []
    assert verdicts(Machine(right(**{FIRST: lambda betas: 2 * betas})), FIRST) == ["fail"]
    assert [set(failures) <= set(CHECKS[FIRST]) for failures in diagnosed] == [True]


def test_of_an_exception_that_is_kept_no_frame_is():
    seen: list[BaseException] = []

    def failing(*args: Any, **kwargs: Any) -> None:
        seen.append(faults.raised(DIED))
        raise seen[-1]

    assert verdicts(Machine(right(**{FIRST: failing})), FIRST) == ["fail"]
    assert seen
    assert all(error.__traceback__ is None for error in seen[-1:])


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Callable:
    """Gives a section one check of the instructor's, hidden or not."""

    def given(function: Callable, hidden: bool = True) -> dict[str, Any]:
        check = Check("test_own", STEM, FIRST, function, {}, ("code",), own=True, hidden=hidden)
        monkeypatch.setattr(sitting, "collect_own", lambda folder, stem, hidden: (check,))
        return {"checks": ("mine",), "hidden": ("mine",) if hidden else ()}

    return given


@pytest.mark.parametrize("hidden", [True, False])
def test_what_holds_is_told_of_no_check_that_is_hidden(own, hidden):
    def passes(code: Any) -> None:
        """What the instructor looks for."""

    in_double = {FIRST: lambda betas: REFERENCE.compute_alpha_bar(betas).double()}
    (found,) = rows(Machine(right(**in_double)), FIRST, **own(passes, hidden)).values()
    assert found["verdict"] == "fail"
    assert ("What the instructor looks for" in found["holds"]) != hidden


def test_a_check_of_the_instructors_is_run_of_a_stub_too_and_compared_with_no_known_mistake(own, diagnosed):
    ran: list[int] = []

    def fails(code: Any) -> None:
        ran.append(1)
        raise AssertionError("not as I want it")

    guest = right(**{FIRST: raising(stub(True, FIRST))})
    guest.imported = replace(guest.imported, stubs=frozenset({FIRST}))
    assert (verdicts(Machine(guest), FIRST, **own(fails)), ran) == (["unfinished"], [1])
    assert verdicts(Machine(right(**{FIRST: lambda betas: 2 * betas})), FIRST, **own(fails)) == ["fail"]
    assert "test_own" not in diagnosed[0]


def test_of_what_is_unfinished_nothing_is_said_to_hold():
    calls: list[int] = []

    def begun(betas: Any) -> Any:
        calls.append(1)
        if len(calls) > 1:
            raise stub(True, FIRST)
        return REFERENCE.compute_alpha_bar(betas)

    (found,) = rows(Machine(right(**{FIRST: begun})), FIRST).values()
    assert found["verdict"] == "unfinished"
    assert "pass" in {check["verdict"] for check in found["checks"]}
    assert "holds" not in found


def test_nothing_of_a_check_is_kept_when_it_is_over():
    machine = Machine(right(**{FIRST: lambda betas: 2 * betas}))
    assert verdicts(machine, FIRST) == ["fail"]
    assert (LAST_CALL, NOTES) == ([], [])
    assert machine.given_back == len(CHECKS[FIRST]) + 1  # before each, and in the end
