"""The front page: what one builds, the sections, and the two commands."""

import html
import re

from grader.course import ROOT, sections
from grader.site.places import page as page_of

PICTURE = "exercises/lessons/pictures/capstone.png"


def page() -> str:
    """The front page, of what README, the lessons' index and the course file say."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    all_exercises = [one for section in sections().values() for one in section.exercises.values()]
    hours = round(sum(one.minutes for one in all_exercises) / 60)
    cards = "\n".join(card(number, stem) for number, stem in enumerate(sections(), 1))
    return f"""---
hide:
  - navigation
  - toc
title: Unstatic
---

<div class="hero">
<div class="words">
<h1>Unstatic</h1>
<p class="motto">{motto(readme)}</p>
<p>A graded course in diffusion models, in PyTorch: {len(all_exercises)} exercises in {len(sections())} sections, {sum(one.points for one in all_exercises):g} points, about {hours} hours. From one step of noise to
static that turns into digits, by functions that you have written.</p>
<p class="ways"><a class="md-button md-button--primary" href="{page_of(next(iter(sections().values())))}">Begin with section 1</a>
<a class="md-button" href="moving.html">See it move</a></p>
</div>
<img src="{PICTURE}" width="1045" height="984" alt="{alt_text()}">
</div>

## Two commands

{commands(readme)}

The second says where you stand and where to begin. [How to work](exercises/lessons/README.md) has the rest, and the notation.

## Seven sections

Each stands alone: start where you like.

<ol class="sections">
{cards}
</ol>

## What is unusual

{unusual(readme)}
"""


def card(number: int, stem: str) -> str:
    """One section: its title, what one builds, how much there is."""
    section = sections()[stem]
    exercises = section.exercises.values()
    points, minutes = sum(one.points for one in exercises), sum(one.minutes for one in exercises)
    return (
        f'<li><a href="{page_of(section)}"><b>{number}. {html.escape(section.title)}</b>'
        f"<span>{html.escape(builds()[stem])}</span>"
        f"<small>{len(exercises)} exercises · {points:g} points · {minutes} minutes</small></a></li>"
    )


def builds() -> dict[str, str]:
    """What one builds in each section, as the lessons' index says.

    Raises:
        ValueError: it leaves a section out.
    """
    text = (ROOT / "exercises" / "lessons" / "README.md").read_text(encoding="utf-8")
    rows = dict(
        (stem, about.strip())
        for about, stem in re.findall(r"^\| *\d+ *\|([^|]+)\| *\[\w+\]\((\w+)\.md\) *\|", text, re.M)
    )
    if lacking := set(sections()) - set(rows):
        raise ValueError(
            f"the table at the top of exercises/lessons/README.md has no row for {', '.join(sorted(lacking))}"
        )
    return rows


def motto(readme: str) -> str:
    return html.escape(_first(r"^\*([^*]+)\*$", readme, "a line in italics"))


def commands(readme: str) -> str:
    """The block of README's part for learners."""
    return _first(r"^## For learners\n\n(```sh\n.*?\n```)", readme, "a block of commands below `## For learners`")


def unusual(readme: str) -> str:
    """The list of what is unusual."""
    return _first(r"(^- \*\*The checks.*?)\n\n(?!-)", readme, "the list that begins with `- **The checks`")


def alt_text() -> str:
    """What the lessons' index says to those who do not see the picture."""
    text = (ROOT / "exercises" / "lessons" / "README.md").read_text(encoding="utf-8")
    return html.escape(_first(r"!\[([^\]]+)\]\(pictures/capstone\.png\)", text, "the picture capstone.png"))


def _first(pattern: str, text: str, what: str) -> str:
    found = re.search(pattern, text, re.M | re.S)
    if not found:
        raise ValueError(f"the front page is made of README.md and the lessons' index, and does not find {what} there")
    return found[1].strip()
