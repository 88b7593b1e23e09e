"""What a submission's processes say of themselves makes labels, and is parsed as what nobody believes."""

import pytest

from grader import faults
from grader.rpc import errors
from grader.sandbox.guest.running import MOST_TROUBLE
from grader.sandbox.host.imported import MOST_LINES, Imported, Rebound
from grader.sandbox.host.session import ended, submission_error

RAISED = {"kind": "ValueError", "bases": ["ValueError", "Exception"], "text": "no", "ordinary": True}


@pytest.mark.parametrize("answer", [{}, dict.fromkeys(("uses", "trouble", "values", "stubs")), {"uses": [1], "trouble": {"a": 1}, "values": [[]], "stubs": "abc"}])  # fmt: skip
def test_an_import_that_says_nothing_of_use_left_nothing(answer):
    assert Imported.told(answer, 18.0) == Imported()


def test_names_that_are_none_are_passed_over():
    told = {"uses": {"f": ["g", 1, None], "h": "x", "k": []}, "stubs": ["f", 3, ["f"]]}
    found = Imported.told(told, 18.0)
    assert (found.uses, found.stubs) == ({"f": frozenset({"g"}), "k": frozenset()}, frozenset({"f"}))


@pytest.mark.parametrize("line", [0, -1, True, 1.5, "3", None, MOST_LINES])
def test_a_line_that_can_be_none_is_none(line):
    (trouble,) = Imported.told({"trouble": [{**RAISED, "at": line, "line": line}]}, 18.0).trouble
    assert (trouble.at, trouble.fault.line) == (1, 1)
    assert Imported.told({"values": {"f": [line, "int", True, True]}}, 18.0).rebound == {}


def test_a_name_that_was_given_another_value_is_told_with_a_type_of_a_bounded_length():
    told = {"f": [3, "T" * 1000, 1, True], "g": [3, "int"], "h": 5}
    assert Imported.told({"values": told}, 18.0).rebound == {"f": Rebound(3, "T" * 100, callable=False, before=True)}


def test_of_trouble_so_much_is_told():
    told = [{**RAISED, "at": number + 1} for number in range(MOST_TROUBLE + 5)] + ["none"]
    assert len(Imported.told({"trouble": told}, 18.0).trouble) == MOST_TROUBLE


@pytest.mark.parametrize(
    ("cell", "says"), [(0, "the 18 s that its import may take"), (3, "a notebook may take is used")]
)
def test_what_was_late_is_out_of_time_whatever_it_raised(cell, says):
    (trouble,) = Imported.told({"trouble": [{**RAISED, "at": 2, "late": True, "cell": cell, "left_out": True}]}, 18.0).trouble  # fmt: skip
    assert trouble.late
    assert says in str(trouble.fault)
    assert trouble.left_out == (cell == 0)  # a cell is never left out: it ended


@pytest.mark.parametrize("ordinary", [False, None, 1, "yes"])
def test_only_what_says_that_it_is_an_ordinary_exception_is_one(ordinary):
    assert submission_error({**RAISED, "ordinary": True}, "").verdict == "fail"
    found = submission_error({**RAISED, "ordinary": ordinary}, "")
    assert isinstance(found, faults.Crashed)
    assert isinstance(submission_error([], ""), faults.Tampered)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), RuntimeError("not enough memory: you tried")])  # fmt: skip
def test_memory_that_cannot_be_had_is_told_as_that(error):
    assert submission_error(errors.describe(error), "").verdict == "memory"


@pytest.mark.parametrize(
    ("status", "verdict", "says"),
    [
        (0, "crash", "it ended its process with exit status 0 while it was imported"),
        (-11, "crash", "its process was ended by SIGSEGV while it was imported"),
        (-37, "crash", "its process was ended by signal 37 while it was imported"),
        (-24, "timeout", "its processor time is over"),
        (-25, "output-limit", "it wrote a file that is too large"),
        (None, "crash", "its process ended while it was imported"),
        (True, "crash", "its process ended while it was imported"),
        ("0", "crash", "its process ended while it was imported"),
    ],
)
def test_how_a_process_ended_is_told(status, verdict, says):
    found = ended(status, "while it was imported")
    assert (found.verdict, str(found)) == (verdict, says)
