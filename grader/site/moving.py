"""The pictures that move: what a script draws from numbers that the reference has made, and what is there without scripts.

The numbers are in `exercises/lessons/moving/`, made by `python -m solutions.moving`; `assets/site.js` draws them.
"""

import html
from dataclasses import dataclass

from grader.course import ROOT, find_exercise
from grader.site.places import place

NUMBERS = ROOT / "exercises" / "lessons" / "moving"


@dataclass(frozen=True)
class Picture:
    """One picture that moves.

    Attributes:
        name: of its numbers' file, and of the function that draws it.
        exercise: in whose place it stands.
        title: what it is called.
        says: what to try, and to look for.
        still: the picture for those who have no scripts, from the top of the site.
    """

    name: str
    exercise: str
    title: str
    says: str
    still: str


PICTURES = (
    Picture(
        "forward",
        "q_sample",
        "Data into static",
        "Move the level. When do you lose the moons, and where is as much noise as data?",
        "exercises/lessons/pictures/s1_forward_reverse/q_sample.png",
    ),
    Picture(
        "dial",
        "dpmpp_2m_sample",
        "The step-count dial",
        "The score is exact here: what is wrong is the sampler's doing. Which sampler needs the fewest calls to find the moons?",
        "docs/dial.png",
    ),
    Picture(
        "guidance",
        "guided_sample",
        "The scale of guidance",
        "Three labels, in three colours. What do you gain from a larger scale, and what is lost?",
        "exercises/lessons/pictures/s6_guidance/guided_sample.png",
    ),
    Picture(
        "reflow",
        "straightness",
        "Straight and less straight",
        "The ways from static to moons, as Euler's method walks them. How many steps does the flow need, and how many after one reflow?",
        "exercises/lessons/pictures/s5_flow_matching/straightness.png",
    ),
)


def page() -> str:
    """All of them on one page."""
    parts = ["# Pictures that move\n\nMade by the reference answers, each from the place of one exercise.\n"]
    for one in PICTURES:
        exercise = find_exercise(one.exercise)
        parts.append(
            f"## {one.title} {{ #{one.name} }}\n\n{_figure(one, still=True)}\n\n"
            f'It is about <a href="{place(exercise)}">{html.escape(exercise.title)}</a>, `{exercise.name}`.\n'
        )
    return "\n".join(parts)


def figure(exercise: str) -> str:
    """The picture that belongs to an exercise, if there is one; its still picture is in the lesson."""
    return "".join(_figure(one, still=False) for one in PICTURES if one.exercise == exercise)


def _figure(picture: Picture, still: bool) -> str:
    numbers = (NUMBERS / f"{picture.name}.json").read_text(encoding="utf-8").strip()
    without = (
        f'<noscript><img src="{picture.still}" alt="{html.escape(picture.title)}, without scripts: some moments of it"></noscript>'
        if still
        else ""
    )
    return (
        f'<figure class="moving" data-moving="{picture.name}" data-title="{html.escape(picture.title)}">{without}'
        f'<script type="application/json">{numbers}</script>'
        f"<figcaption>{html.escape(picture.says)}</figcaption></figure>"
    )
