"""The time and the output that a submission has, counted where nothing is judged."""

import contextlib
import os

import pytest

from grader import faults
from grader.sandbox.host import limits
from grader.sandbox.host.limits import Clock, Output


def test_a_clock_within_another_uses_up_both_and_tells_whose_time_is_over():
    section = Clock(10, what="a section")
    check = Clock(4, section, what="a check")
    check.spend(3)
    assert (check.left, section.left) == (1, 7)
    check.spend(1)
    assert str(check.over()) == "the 4 s that a check may take are used up"
    last = Clock(20, section, what="another")
    assert last.left == 6
    last.spend(6)
    assert last.left == 0
    assert str(last.over()) == "the 10 s that a section may take are used up"


def test_a_clock_that_is_ended_leaves_the_one_around_it_what_it_had():
    section = Clock(10)
    check = Clock(4, section)
    check.end()
    assert (check.left, section.left) == (0, 10)


def test_what_takes_time_is_spent_however_it_ends():
    clock = Clock(10)
    with pytest.raises(ValueError, match="in the middle"), clock.running():
        raise ValueError("in the middle")
    assert 0 < clock.left < 10


def test_of_what_is_printed_the_end_is_kept_and_all_is_counted(monkeypatch):
    monkeypatch.setattr(limits, "KEPT_OUTPUT", 10)
    with contextlib.closing(Output()) as output:
        assert output.drain()  # nothing is there, and it goes on
        for line in (b"0123456789", b"abcdef"):
            os.write(output.writer, line)
            assert output.drain()
        assert (output.tail, output.count) == (b"6789abcdef", 16)
        output.close_writer()
        assert not output.drain()


def test_who_prints_too_much_is_stopped_and_the_rest_is_read_no_further(monkeypatch):
    monkeypatch.setattr(limits, "MAX_OUTPUT", 10)
    with contextlib.closing(Output()) as output:
        os.write(output.writer, b"x" * 10)
        assert output.drain()
        os.write(output.writer, b"y")
        with pytest.raises(faults.OutputLimit, match="it printed more than 0 MiB"):
            output.drain()
        os.write(output.writer, b"z")
        output.rest()  # which is no error: it is over already
        assert output.count == 12
