"""The markers of a solution: a stub without a trace of the answers, or an error that says where and what to do."""

import pytest

from grader.course import sections
from grader.source.markers import BEGIN, END, STUB, MarkerError, stub_of

SOLUTION = f'''"""Squares."""

import math


def square(x):
    """x²."""
    {BEGIN}
    return x * x
    {END}


class Root:
    """√x."""

    precise = True

    def __init__(self):
        {BEGIN}
        self.power = 0.5
        {END}

    def __call__(self, x):
        given = math.fabs(x)
        {BEGIN}
        return given**self.power
        {END}
'''

ITS_STUB = f'''"""Squares."""

import math


def square(x):
    """x²."""
    {STUB}


class Root:
    """√x."""

    precise = True

    def __init__(self):
        {STUB}

    def __call__(self, x):
        given = math.fabs(x)
        {STUB}
'''


def body(stub: str) -> str:
    return stub.split("\n", 1)[1]


def test_each_region_becomes_a_raise_and_all_else_stays_to_the_byte():
    assert body(stub_of(SOLUTION)) == ITS_STUB


def test_the_first_line_names_the_source():
    assert stub_of(SOLUTION, "solutions/s9.py").startswith("# Generated from solutions/s9.py ")


@pytest.mark.parametrize("change", [lambda s: s.replace("\n", "\r\n"), str.rstrip, lambda s: s.replace("    ", "\t")])
def test_line_ends_a_missing_last_one_and_tabs_are_kept(change):
    assert body(stub_of(change(SOLUTION))) == change(ITS_STUB)


def test_helpers_at_module_level_leave_a_stub_that_can_be_imported():
    helpers = f"{BEGIN}\nSECRET = 42\n\n\ndef power(x, n):\n    return x**n\n{END}\n\n\n"
    stub = stub_of(helpers + SOLUTION)
    assert "SECRET" not in stub
    assert "power" not in stub.replace("self.power", "")
    exec(compile(stub, "stub", "exec"), names := {})
    assert {"square", "Root"} <= names.keys()


def test_a_region_may_hold_nested_statements_decorators_comments_and_blank_lines():
    source = f"def f():\n    {BEGIN}\n    # why\n\n    @print\n    def g():\n        return 1\n\n    return g\n\n    # so\n    {END}\n"
    assert body(stub_of(source)) == f"def f():\n    {STUB}\n"


def test_a_region_may_stand_in_a_branch():
    source = (
        f"def f(x):\n    if x:\n        {BEGIN}\n        x = 1\n        {END}\n    else:\n        x = 2\n    return x\n"
    )
    assert body(stub_of(source)) == f"def f(x):\n    if x:\n        {STUB}\n    else:\n        x = 2\n    return x\n"


WRONG = {
    "unclosed": (f"def f():\n    {BEGIN}\n    return 1\n", 2, "never closed"),
    "nested": (f"def f():\n    {BEGIN}\n    {BEGIN}\n    return 1\n    {END}\n", 3, "end that first"),
    "second unclosed": (f"{SOLUTION}\n\ndef f():\n    {BEGIN}\n    return 1\n", 31, "never closed"),
    "stray end": (f"def f():\n    return 1\n    {END}\n", 3, "without a BEGIN"),
    "two ends": (f"def f():\n    {BEGIN}\n    return 1\n    {END}\n    {END}\n", 5, "without a BEGIN"),
    "begin after code": (f"def f():\n    x = 1  {BEGIN}\n    return x\n    {END}\n", 2, "alone on its line"),
    "end after code": (f"def f():\n    {BEGIN}\n    return 1  {END}\n", 3, "alone on its line"),
    "marker with a remark": (f"def f():\n    {BEGIN} here\n    return 1\n    {END}\n", 2, "no marker"),
    "plural": (f"def f():\n    {BEGIN}S\n    return 1\n    {END}\n", 2, "no marker"),
    "four signs": (f"def f():\n    #{BEGIN}\n    return 1\n    {END}\n", 2, "no marker"),
    "two signs": (f"def f():\n    {BEGIN[1:]}\n    return 1\n    {END[1:]}\n", 2, "no marker"),
    "one sign": (f"def f():\n    {BEGIN[2:]}\n    return 1\n    {END[2:]}\n", 2, "no marker"),
    "lower case": (f"def f():\n    {BEGIN.lower()}\n    return 1\n    {END.lower()}\n", 2, "no marker"),
    "no space": (f"def f():\n    ###BEGIN SOLUTION\n    return 1\n    {END}\n", 2, "no marker"),
    "two spaces": (f"def f():\n    ### BEGIN  SOLUTION\n    return 1\n    {END}\n", 2, "no marker"),
    "misspelt": (f"def f():\n    ### BEGIN SOLUTON\n    return 1\n    {END}\n", 2, "no marker"),
    "another word": (f"def f():\n    # SOLUTION START\n    return 1\n    {END}\n", 2, "no marker"),
    "end misspelt": (f"def f():\n    {BEGIN}\n    return 1\n    ### END SOLUTIONS\n", 4, "no marker"),
    "in a string": (f'def f():\n    s = """\n    {BEGIN}\n    """\n    return s\n    {END}\n', 3, "in a string"),
    "in a docstring": (f'def f():\n    """See {BEGIN}."""\n    {BEGIN}\n    return 1\n    {END}\n', 2, "in a string"),
    "end in a string": (f'def f():\n    {BEGIN}\n    s = """\n    {END}\n    """\n    return s\n', 4, "in a string"),
    "empty": (f"def f():\n    {BEGIN}\n    # nothing\n    {END}\n    return 1\n", 2, "empty"),
    "no region": ("def f():\n    return 1\n", 1, "f has no region"),
    "a class without one": (f"{SOLUTION}\n\nclass Bare:\n    x = 1\n", 30, "Bare has no region"),
    "a region beside it": (f"{BEGIN}\nx = 1\n{END}\n\n\ndef f():\n    return x\n", 6, "f has no region"),
    "over two functions": (f"def f():\n    {BEGIN}\n    return 1\n\ndef g():\n    return 2\n    {END}\n", 2, "cuts"),
    "misaligned ends": (f"def f():\n    {BEGIN}\n    return 1\n{END}\n", 4, "align"),
    "at the margin": (f'def f():\n    """Doc."""\n{BEGIN}\n    return 1\n{END}\n', 3, "cuts"),
    "across a branch": (
        f"def f(x):\n    if x:\n        y = 1\n        {BEGIN}\n        y = 2\n    else:\n        y = 3\n        {END}\n    return y\n",
        4,
        "cuts",
    ),
    "a branch lost": (f"def f(x):\n    if x:\n        x = 1\n        {BEGIN}\n    else:\n        x = 2\n        {END}\n", 4, "cuts"),
    "within brackets": (f"def f():\n    return (\n    {BEGIN}\n    1 +\n    {END}\n    2)\n", 3, "empty"),
    "a loop without its body": (f"def f():\n    {BEGIN}\n    for i in []:\n    {END}\n        print(i)\n", 2, "cuts"),
    "not Python": (f"def f(:\n    {BEGIN}\n    return 1\n    {END}\n", 1, "not Python"),
}  # fmt: skip


@pytest.mark.parametrize(("source", "line", "remedy"), WRONG.values(), ids=WRONG)
def test_a_wrong_marker_is_an_error_that_names_the_line_and_the_remedy(source, line, remedy):
    with pytest.raises(MarkerError, match=remedy) as caught:
        stub_of(source, "solutions/s9.py")
    assert str(caught.value).startswith(f"solutions/s9.py:{line}: ")


@pytest.mark.parametrize("stem", sections())
def test_no_line_of_an_answer_is_left_in_the_committed_stub(stem):
    """A line of ten characters or more that stands only between markers stands nowhere in the stub."""
    inside, outside, within = set(), set(), False
    for line in sections()[stem].solution.read_text(encoding="utf-8").splitlines():
        if line.strip() in (BEGIN, END):
            within = line.strip() == BEGIN
        else:
            (inside if within else outside).add(line.strip())
    stub = sections()[stem].stub.read_text(encoding="utf-8")
    assert not [line for line in inside - outside if len(line) >= 10 and line in stub]
