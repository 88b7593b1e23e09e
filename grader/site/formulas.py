"""The lessons' mathematics as MathML, which browsers draw by themselves, and the typeface to draw it in.

Markdown's extension `arithmatex` finds GitHub's formulas; math-core translates them while the site is built, so that reading
needs no script. The typeface is STIX Two Math, cut down to the signs that are used.
"""

import html
import io
import re
from importlib.util import find_spec
from pathlib import Path

FOUND = re.compile(r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<formula>.*?)\\[)\]]</(?P=tag)>', re.S)


SPACE = re.compile(r"(?<!\\)\\ ")
"""A word's space is that of the typeface, too wide here."""


class NoFormula(ValueError):
    """A formula cannot be translated; the message has it, and what the translator says."""


def as_mathml(formula: str, displayed: bool) -> str:
    """One formula; what is displayed can be scrolled by itself where the screen is narrower.

    Raises:
        NoFormula: it cannot be translated.
    """
    from math_core import LatexError, LatexToMathML

    try:
        text = formula.strip().replace("\\\n", "\\ ")  # a space at the end of a line, which TeX takes for one
        text = SPACE.sub(r"\\:", text)
        math = LatexToMathML().convert_with_local_state(text, displaystyle=displayed)
    except LatexError as error:
        raise NoFormula(f"the formula {formula!r} cannot be translated: {error}") from error
    math = math.replace("<math", "<math data-search-exclude", 1)
    return f'<div class="formula" tabindex="0" role="group" aria-label="formula">{math}</div>' if displayed else math


def translated(page: str) -> str:
    """A page's HTML with its formulas as MathML."""

    def one(found: re.Match) -> str:
        return as_mathml(html.unescape(found["formula"]), displayed=found["tag"] == "div")

    return FOUND.sub(one, page)


def signs(page: str) -> set[str]:
    """The signs that the formulas of a page are made of."""
    text = "".join(re.sub(r"<[^>]+>", "", math) for math in re.findall(r"<math.*?</math>", page, re.S))
    return set(html.unescape(text))


ALWAYS = set("√()[]{}|‖⟨⟩−=+0123456789")
"""What browsers draw by themselves, or stretch."""


def typeface(used: set[str]) -> bytes:
    """STIX Two Math with the given signs and what they are stretched from, as WOFF."""
    from fontTools import subset
    from fontTools.ttLib import TTFont

    # Single italic letters are drawn by the browser from the mathematical alphabets
    italic = {chr(0x1D44E + ord(sign) - ord("a")) for sign in used if "a" <= sign <= "z" and sign != "h"}
    italic |= {chr(0x1D434 + ord(sign) - ord("A")) for sign in used if "A" <= sign <= "Z"} | {"\u210e"}
    italic |= {chr(0x1D6FC + ord(sign) - ord("α")) for sign in used if "α" <= sign <= "ω"}
    italic |= {chr(0x1D6E2 + ord(sign) - ord("Α")) for sign in used if "Α" <= sign <= "Ω"}
    italic |= {"\U0001d716", "\U0001d717", "\U0001d719", "\U0001d71a"} & {_italic_variant(sign) for sign in used}
    font = TTFont(_stix(), recalcTimestamp=False)
    options = subset.Options()
    options.flavor = "woff"
    options.layout_features = ["ssty", "math", "kern"]
    options.notdef_outline = True
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=sorted(ord(sign) for sign in used | italic | ALWAYS))
    cutter.subset(font)
    font.flavor = "woff"
    file = io.BytesIO()
    font.save(file)
    return file.getvalue()


def _stix() -> Path:
    """The typeface's file, as ziamath brings it; the package is not imported."""
    package = find_spec("ziamath")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("No module named 'ziamath'", name="ziamath")
    return Path(package.origin).parent / "fonts" / "STIXTwoMath-Regular.ttf"


def _italic_variant(sign: str) -> str:
    return {"ϵ": "\U0001d716", "ϑ": "\U0001d717", "ϕ": "\U0001d719", "ϱ": "\U0001d71a"}.get(sign, sign)
