"""The same seed draws the same inputs, whatever else is loaded."""

import sys

import hypothesis
from hypothesis import strategies as st

import exercises.checks  # sets how Hypothesis draws


def drawn(count: int = 200) -> list[tuple[int, float]]:
    seen = []

    @hypothesis.seed(5)
    @hypothesis.settings(max_examples=count)
    @hypothesis.given(st.integers(0, 2**60), st.floats(0, 1e6))
    def note(number, real):
        seen.append((number, real))

    note()
    return seen


def test_the_same_seed_draws_the_same_inputs_whatever_is_loaded(tmp_path, monkeypatch):
    before = drawn()
    (tmp_path / "full_of_constants.py").write_text("\n".join(f"x{k} = {10**9 + 7919 * k}, {k}.625" for k in range(500)))
    monkeypatch.syspath_prepend(str(tmp_path))
    __import__("full_of_constants")
    try:
        assert drawn() == before
    finally:
        del sys.modules["full_of_constants"]
    assert exercises.checks is not None
