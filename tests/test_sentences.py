"""What the checks that passed say, in one line; milliseconds."""

from grader.checks.sentences import held, listed

LONG = [f"Each of {count} samples has a level of its own" for count in range(9)]


def test_sentences_that_are_long_together_are_counted_and_a_symbol_keeps_its_case() -> None:
    assert (
        held(["A network answers", "T + 1 levels", "ᾱ falls"], 4) == "3 of 4: a network answers; T + 1 levels; ᾱ falls"
    )
    assert listed(LONG, room=100) == f"each{LONG[0][4:]}; each{LONG[1][4:]}; and 7 more"
    assert listed(LONG, room=0).count("; ") == 8
    assert listed(LONG, room=1).startswith("each of 0 samples"), "one at the least"
    assert listed([]) == ""
