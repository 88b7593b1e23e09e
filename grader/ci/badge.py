"""A badge with the points: a picture that needs nothing else, and the JSON that shields.io draws one from."""

import json

from grader.judging.results import Graded
from grader.reports.tally import number, share

COLOURS = (
    (1.0, "brightgreen", "#2e8540"),
    (0.75, "green", "#4b8b3b"),
    (0.5, "yellow", "#9a7500"),
    (0.0, "lightgrey", "#6b6b6b"),
)
_PICTURE = """<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="unstatic: {said}">
<title>unstatic: {said}</title>
<rect width="{width}" height="20" rx="3" fill="#444"/>
<rect x="62" width="{right}" height="20" rx="3" fill="{colour}"/>
<g fill="#fff" font-family="Verdana,Geneva,sans-serif" font-size="11" text-anchor="middle">
<text x="31" y="14">unstatic</text><text x="{middle}" y="14">{said}</text>
</g>
</svg>
"""


def said(graded: Graded) -> str:
    """The points in words, and how many a fault of ours leaves open; they are numbers of ours, and nothing that was submitted."""
    left = f", {number(graded['ungraded'])} not graded" if "ungraded" in graded else ""
    return f"{number(graded['score'])} of {number(graded['points'])} points{left}"


def svg(graded: Graded) -> str:
    """The picture."""
    right = 7 * len(said(graded)) + 10
    return _PICTURE.format(
        width=62 + right, right=right, middle=62 + right / 2, said=said(graded), colour=_colour(graded)[1]
    )


def endpoint(graded: Graded) -> str:
    """The JSON for https://shields.io/badges/endpoint-badge ."""
    return (
        json.dumps({"schemaVersion": 1, "label": "unstatic", "message": said(graded), "color": _colour(graded)[0]})
        + "\n"
    )


def _colour(graded: Graded) -> tuple[str, str]:
    if "ungraded" in graded:
        return COLOURS[-1][1:]
    return next((name, code) for least, name, code in COLOURS if share(graded) >= least)
