"""The lessons keep their promises: headings, pictures, links and numbers."""

import importlib
import re
from pathlib import Path

import pytest

from grader.course import ROOT, Section, sections

LARGEST_PICTURE = 60_000
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("exercises/lessons/*.md")]

each_section = pytest.mark.parametrize("section", sections().values(), ids=lambda section: section.stem)
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def pictures(section: Section) -> Path:
    return section.lesson.parent / "pictures" / section.stem


@each_section
def test_a_lesson_has_one_heading_an_exercise_in_the_order_of_the_course(section: Section) -> None:
    headings = re.findall(r"^## `(\w+)`$", section.lesson.read_text(encoding="utf-8"), re.M)
    assert headings == list(section.exercises)


@each_section
def test_a_lesson_shows_one_small_picture_an_exercise_under_its_heading(section: Section) -> None:
    text = section.lesson.read_text(encoding="utf-8")
    parts = dict(zip(section.exercises, re.split(r"^## `\w+`$", text, flags=re.M)[1:], strict=True))
    for exercise, part in parts.items():
        assert f"](pictures/{section.stem}/{exercise}.png)" in part
    files = {path.name: path.stat().st_size for path in pictures(section).iterdir()}
    assert sorted(files) == sorted(f"{exercise}.png" for exercise in section.exercises)
    assert max(files.values()) < LARGEST_PICTURE


@each_section
def test_a_lesson_gives_no_answer(section: Section) -> None:
    """No line of the reference's answers stands in it."""
    answers = re.findall(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", section.solution.read_text(), re.S)
    lines = {line.strip() for answer in answers for line in answer.splitlines() if len(line.strip()) > 15}
    lesson = section.lesson.read_text(encoding="utf-8")
    assert lines
    assert not [line for line in lines if line in lesson]


@each_section
def test_the_exact_numbers_of_a_lesson_are_the_references(section: Section) -> None:
    assert unquoted(section, "exact") == {}


@pytest.mark.slow
@each_section
def test_the_measured_numbers_of_a_lesson_are_the_references(section: Section) -> None:
    assert unquoted(section, "measured") == {}


def unquoted(section: Section, kind: str) -> dict[str, str]:
    """The numbers, by their meaning, that the lesson ought to quote and does not."""
    numbers = getattr(importlib.import_module(f"solutions.numbers.{section.stem}"), kind)
    found = numbers(importlib.import_module(f"solutions.{section.stem}"))
    lesson = section.lesson.read_text(encoding="utf-8")
    return {
        meaning: number
        for meaning, number in found.items()
        if not re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", lesson)
    }


@each_page
def test_every_link_within_the_pages_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        if not path.startswith(("http:", "https:")):
            linked = page.parent / path if path else page
            assert linked.exists(), f"{page.name} links to {target}"
            assert not anchor or anchor in anchors(linked), f"{page.name} links to {target}"


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
