"""Two edits of one text made both, where the place that the one looks for was changed by the other."""

import re
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import pairwise

Change = tuple[int, int, list[str]]
"""From which word to which, and what stands there instead."""


def merged(base: str, one: str, other: str) -> str | None:
    """The text with the changes of both, word by word; None if they change the same words, or nothing.

    Args:
        base: the text before.
        one: the text with the one edit in it.
        other: the text with the other.
    """
    changes = sorted((*_changes(base, one), *_changes(base, other)), key=lambda change: change[:2])
    for before, after in pairwise(changes):
        if after[0] < before[1] or after[:2] == before[:2]:
            return None
    words = _words(base)
    for start, end, new in reversed(changes):
        words[start:end] = new
    text = "".join(words)
    return text if text not in (base, one, other) else None


def _words(text: str) -> list[str]:
    return re.findall(r"\w+|\s+|[^\w\s]", text)


@lru_cache(maxsize=1000)
def _changes(before: str, after: str) -> tuple[Change, ...]:
    one, other = _words(before), _words(after)
    codes = SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
    return tuple((start, end, other[low:high]) for kind, start, end, low, high in codes if kind != "equal")
