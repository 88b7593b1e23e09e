"""Submitted text, made harmless to look at: whatever could act on a terminal or a page is shown as a character.

ESC [ 31 m        becomes  ␛[31m           (control pictures, U+2400 and on)
RIGHT-TO-LEFT OVERRIDE     ⟨U+202E⟩        (it would turn round what follows)
a lone surrogate           �               (it cannot be written as UTF-8)
"""

_NAMED = [
    *range(0x80, 0xA0),  # C1 controls: some terminals obey them
    0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A),  # bidirectional controls
    0x200B, 0x2060, 0xFEFF, 0x00AD,  # invisible; the joiners U+200C and U+200D belong to words and stay
    0x2028, 0x2029,  # line separators that only some programs see
    *range(0xFFF9, 0xFFFC), *range(0xE0000, 0xE0080),  # annotations and tags: text that is not shown
]  # fmt: skip
_TABLE: dict[int, str] = {
    **{code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"},
    0x7F: "␡",
    **{code: f"⟨U+{code:04X}⟩" for code in _NAMED},
    **dict.fromkeys(range(0xD800, 0xE000), "�"),
}


def visible(text: str) -> str:
    """`text` with every control character shown and none left, but for newlines and tabs."""
    return text.replace("\r\n", "\n").translate(_TABLE)


def one_line(text: str, limit: int = 100) -> str:
    """`text` as part of a sentence: visible, on one line, and cut after `limit` characters."""
    text = visible(text).replace("\n", "␊").replace("\t", "␉")
    return text if len(text) <= limit else text[: limit - 1] + "…"
