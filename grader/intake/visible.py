r"""Submitted text, made harmless to look at: what could act on a terminal or turn a line round is shown as an escape.

ESC becomes `\x1b`, RIGHT-TO-LEFT OVERRIDE `\u202e`, a lone surrogate (which cannot be written as UTF-8) `\ud800`: Python's own
notation, in letters that every font has. Whether text could act on a page (`<script>`) is for the page's template to see to,
by escaping.
"""

import re

_HIDDEN = [
    *(code for code in range(0x20) if chr(code) not in "\n\t"), 0x7F,
    *range(0x80, 0xA0),  # C1 controls: some terminals obey them
    0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A),  # bidirectional controls
    0x200B, 0x2060, 0xFEFF, 0x00AD,  # invisible; the joiners U+200C and U+200D belong to words and stay
    0x2028, 0x2029,  # line separators that only some programs see
    *range(0xFFF9, 0xFFFC), *range(0xE0000, 0xE0080),  # annotations and tags: text that is not shown
    *range(0xD800, 0xE000),
]  # fmt: skip
_TABLE = {code: chr(code).encode("unicode_escape").decode() for code in _HIDDEN}
_ESCAPES = frozenset(_TABLE.values())


def visible(text: str) -> str:
    """`text` with every control character shown, but for newlines and tabs."""
    return text.replace("\r\n", "\n").translate(_TABLE)


def seen(text: str) -> str:
    r"""`text` without its control characters, whether they stand in it or are shown: what is left for people to compare.

    A shown carriage return stays: it looks like a part of DOMAIN\rob.
    """
    return re.sub(r"\\(?:x..|u.{4}|U.{8})", lambda found: "" if found[0] in _ESCAPES else found[0], visible(text))


def one_line(text: str, limit: int = 100) -> str:
    """`text` as part of a sentence: visible, on one line, and cut after `limit` characters."""
    text = visible(text).replace("\n", r"\n").replace("\t", r"\t")
    return text if len(text) <= limit else text[: limit - 1] + "…"
