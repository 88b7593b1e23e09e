"""What the checks of an exercise that passed say, in one line. Without torch: reports say it too."""

from collections.abc import Sequence

ROOM = 160
"""Characters. An exercise that fails is told in so many what holds already."""


def held(sentences: Sequence[str], of: int, room: int = ROOM) -> str:
    """What holds already: "4 of 6: numbers that can be worked out by hand; ... and 2 more".

    Args:
        sentences: what the checks say that passed.
        of: how many checks there are.
        room: as for `listed`.
    """
    return f"{len(sentences)} of {of}: {listed(sentences, room)}"


def listed(sentences: Sequence[str], room: int = ROOM) -> str:
    """The sentences of checks as one; what goes beyond so much `room`, in characters, is counted, or nothing if it is 0."""
    shown: list[str] = []
    for sentence in map(_within, sentences):
        if room and shown and sum(map(len, shown)) + len(sentence) > room:
            break
        shown.append(sentence)
    more = len(sentences) - len(shown)
    return "; ".join([*shown, f"and {more} more"] if more else shown)


def _within(sentence: str) -> str:
    """A sentence as it goes on within another: a symbol at its beginning stays as it is."""
    word = sentence.split(" ")[0]
    return sentence[:1].lower() + sentence[1:] if word == "A" or (len(word) > 1 and word[1].islower()) else sentence
