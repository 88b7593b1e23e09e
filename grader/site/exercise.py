"""An exercise's place in its lesson: what the course file says of it, around what the lesson says."""

import html
import re

from grader.course import Exercise, Section
from grader.site import moving

SUMMARIES = ("A nudge", "A push", "Nearly there")


def placed(section: Section, exercise: Exercise, body: str) -> str:
    """The part of the lesson under the exercise's heading, with its facts before and its hints after."""
    heading = (
        f'## {exercise.title} <code class="name">{exercise.name}</code> '
        f'{{ #{exercise.name} .exercise data-toc-label="{exercise.title}" }}'
    )
    shown = moving.figure(exercise.name)
    return "\n\n".join([heading, facts(exercise, "```math" in body), body.strip(), shown, yours(section, exercise), ""])


def facts(exercise: Exercise, has_formula: bool) -> str:
    """Points, minutes, difficulty, what it builds on, its source; and its equation, where the lesson shows none."""
    said = [
        f"{exercise.points:g} point{'s' * (exercise.points != 1)}",
        f"about {exercise.minutes} minutes",
        f'<span class="{exercise.difficulty}">{exercise.difficulty}</span>',
    ]
    if exercise.needs:
        needs = ", ".join(f'<a href="#{name}"><code>{name}</code></a>' for name in exercise.needs)
        said.append(f"builds on {needs}")
    said.append(source(exercise.paper))
    items = "".join(f"<li>{one}</li>" for one in said)
    equation = "" if has_formula else f'<p class="equation">{html.escape(exercise.equation)}</p>'
    return f'<ul class="facts">{items}</ul>{equation}'


def source(paper: str) -> str:
    """Where it is from, with arXiv's numbers as links."""
    link = r'<a href="https://arxiv.org/abs/\1">arXiv:\1</a>'
    return re.sub(r"arXiv:(\d{4}\.\d{4,5}|[a-z-]+/\d{7})", link, html.escape(paper))


def yours(section: Section, exercise: Exercise) -> str:
    """The command that checks it, its stub and checks, and the hints, each inside the one before."""
    hints = ""
    for number, (name, hint) in reversed(list(enumerate(zip(SUMMARIES, exercise.hints, strict=True), 1))):
        words = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(hint, quote=False))
        hints = f'<details class="hint"><summary>Hint {number} of 3: {name.lower()}</summary><p>{words}</p>{hints}</details>'
    return (
        f'<div class="yours" markdown="1">\n\n'
        f"**Your turn.** Write it in [its stub](../{section.stem}.md#{exercise.name}), then run [its checks](../checks/{section.stem}.md#{exercise.name}):\n\n"
        f"```sh\nunstatic check {exercise.name}\n```\n\n{hints}\n\n</div>"
    )


def contents(section: Section, text: str) -> str:
    """A lesson with one line below its title that says how much there is."""
    exercises = section.exercises.values()
    points, minutes = sum(one.points for one in exercises), sum(one.minutes for one in exercises)
    said = f"{len(exercises)} exercises · {points:g} points · about {round(minutes / 60)} hours"
    return re.sub(r"^(# .+)$", rf'\1\n\n<p class="amount">{said}</p>', text, count=1, flags=re.M)
