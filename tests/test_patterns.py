"""Text made so that whoever looks through it never ends: each place where submitted text is searched takes time as its length grows."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from grader.findings import _elsewhere
from grader.intake.classes import NO_NAMES
from grader.intake.reading import read_all
from grader.intake.sources import Places
from grader.judging.notes import _binds
from grader.nbgrader.submitted import inert

STEM = "s1_forward_reverse"
LONG = 200_000
SECONDS = 2
"""What grows with the square takes minutes for texts as long as these, and what doubles with each sign longer than the sun shines."""


@contextmanager
def soon() -> Iterator[None]:
    start = time.process_time()
    yield
    assert time.process_time() - start < SECONDS


@pytest.mark.parametrize("name", [f"{'1' * 60}!_{STEM}.py", f"{'of' * 60}!{STEM}.py", f"{STEM} - {'v1' * 60}!.py"])
def test_a_name_of_many_parts_that_are_nobody_s_is_read_as_any_other(tmp_path, name):
    (tmp_path / name).write_text("def compute_alpha_bar(betas):\n    return betas\n")
    with soon():
        (found,) = read_all([tmp_path])
    assert list(found.sections) == [STEM]


@pytest.mark.parametrize(
    "name", ["hw3", "PS 2 - final copy", "solutions", "v12", "answers (1)", "", "answer", "test_ps"]
)
def test_what_is_nobody_s_name_stays_that(name):
    assert NO_NAMES.fullmatch(name)
    assert not NO_NAMES.fullmatch(f"{name}ada")


def blank_lines() -> None:
    assert inert("\n" * LONG + "x") == "\n" * LONG + "x"


def quoted_lines() -> None:
    assert inert("\n> - " * LONG + "[x") == "\n> - " * LONG + "&#91;x"


def a_wide_import() -> None:
    assert not _binds(f"import{' ' * LONG}os\n1 / 0", "q_sample")
    assert _binds(f"import{' ' * LONG}os, q_sample", "q_sample")


def a_wide_import_of_names() -> None:
    assert not _binds(f"from{' ' * LONG}os{' ' * LONG}import{' ' * LONG}path", "q_sample")


def many_definitions() -> None:
    assert not _elsewhere("compute_alpha_bar", "def f(): 0\n" * (LONG // 2), Places())


@pytest.mark.parametrize(
    "look",
    [blank_lines, quoted_lines, a_wide_import, a_wide_import_of_names, many_definitions],
    ids=lambda f: f.__name__,
)
def test_what_is_looked_through_is_looked_through_soon(look: Callable[[], None]):
    with soon():
        look()


def test_a_definition_far_down_is_told_with_its_line():
    text = "x = 1\n" * 300 + "class Mine:\n    def compute_alpha_bar(self): ...\n"
    assert "line 302" in _elsewhere("compute_alpha_bar", text, Places())
