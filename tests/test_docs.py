"""What the pages say and a command can know: links, paths, commands, and how many there are of what."""

import argparse
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from grader import cli
from grader.course import ROOT, sections

PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("exercises/lessons/*.md"), *ROOT.glob("data/*/*.md")]
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven")
GIVEN = ("sN", "STYLE", "NAME", "DIR", "<", "*", "...", "OWNER", "{")
"""What in a path stands for something else."""
MADE = (
    ".venv",
    ".unstatic",
    "results",
    "pictures",
    "submissions",
    "data/mnist/full",
    "exercises/stubs",
    "submitted",
    "release",
    "autograded",
    "site",
)
"""What is not there until somebody makes it."""

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def where(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def code_in(page: Path) -> list[str]:
    """What stands in backquotes, and the lines of code blocks."""
    text = page.read_text(encoding="utf-8")
    blocks = [body for kind, body in re.findall(r"^ *```(.*)\n(.*?)^ *```", text, re.M | re.S) if kind in ("", "sh")]
    prose = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.M | re.S)
    return [*re.findall(r"`([^`\n]+)`", prose), *(line.strip() for block in blocks for line in block.splitlines())]


PACKAGES = sorted(path.parent for path in (ROOT / "grader").rglob("__init__.py"))


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.relative_to(ROOT).as_posix())
def test_a_package_says_of_each_of_its_modules_what_it_is(package: Path) -> None:
    said = (package / "__init__.py").read_text(encoding="utf-8")
    modules = {path.stem for path in package.glob("*.py")} - {"__init__", "__main__"}
    modules |= {path.parent.name for path in package.glob("*/__init__.py")}
    unsaid = [name for name in sorted(modules) if not re.search(rf"\b{name}\b", said)]
    assert not unsaid, f"{where(package)}/__init__.py says nothing of {', '.join(unsaid)}"


def test_the_grader_lists_its_rooms_in_the_order_that_is_held_to() -> None:
    said = (ROOT / "grader" / "__init__.py").read_text(encoding="utf-8")
    rooms = [room for line in re.findall(r"^([a-z., ]+?)  +\S", said, re.M) for room in line.split(", ")]
    layers = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"][
        0
    ]
    held = [room.removeprefix("grader.") for layer in layers["layers"][::-1] for room in layer.split(" | ")]
    assert rooms == held, f"grader/__init__.py lists {rooms}, and pyproject.toml has the layers {held}, from below"


@each_page
def test_every_link_within_the_pages_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        if not path.startswith(("http:", "https:")):
            linked = page.parent / path if path else page
            assert linked.exists(), f"{where(page)} links to {target}"
            assert not anchor or anchor in anchors(linked), f"{where(page)} links to {target}"


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@each_page
def test_every_path_that_a_page_names_is_there(page: Path) -> None:
    paths = [path for path in code_in(page) if re.fullmatch(r"\.?[\w<>{}*.-]+(/[\w<>{}*.-]*)+", path)]
    paths = [path for path in paths if not any(sign in path for sign in GIVEN) and not path.startswith(MADE)]
    roots = (ROOT, page.parent, ROOT / "exercises", ROOT / "grader")
    ours = [path for path in paths if any((root / path.split("/")[0]).exists() for root in roots)]
    lost = [path for path in ours if not any((root / path).exists() for root in roots)]
    assert not lost, f"{where(page)} names {lost}, which is not there"


def test_every_file_that_the_map_names_without_its_folder_is_there() -> None:
    """In a row of the map a file's folder is said once, for all that follow."""
    page = ROOT / "docs" / "architecture.md"
    names = {code for code in code_in(page) if re.fullmatch(r"[\w/]+\.(py|toml|js|css|jinja)", code)}
    names = {name for name in names if not any(sign in name for sign in GIVEN)}
    there = [
        where(path)
        for folder in ("grader", "exercises", "tests", "solutions")
        for path in ROOT.glob(f"{folder}/**/*.*")
    ]
    lost = sorted(name for name in names if not any(f"/{path}".endswith(f"/{name}") for path in there))
    assert not lost, f"{where(page)} names {lost}, which is nowhere"


@each_page
def test_every_command_that_a_page_names_is_there(page: Path) -> None:
    code = "\n".join(code_in(page))
    commands = next(a.choices for a in cli.parser()._actions if isinstance(a, argparse._SubParsersAction))
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    lost = [
        f"unstatic {name}" for name in re.findall(r"^(?:\S*bin/)?unstatic ([a-z]+)", code, re.M) if name not in commands
    ]
    lost += [f"make {name}" for name in re.findall(r"^make ([a-z]+)\b", code, re.M) if name not in targets]
    modules = re.findall(r"\bpython -m ((?:grader|solutions|tests)[\w.]*)", code)
    lost += [f"python -m {name}" for name in modules if not runs(name)]
    assert not lost, f"{where(page)} names {lost}, which is no command"


def runs(module: str) -> bool:
    """Whether `python -m module` does something."""
    path = ROOT.joinpath(*module.split("."))
    file = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
    return file.is_file() and (file.name == "__main__.py" or "__main__" in file.read_text(encoding="utf-8"))


def test_every_module_that_has_a_command_runs_it() -> None:
    """`python -m grader.cli check NAME` once printed nothing, and ended with 0."""
    modules = [
        path
        for path in ROOT.glob("grader/**/*.py")
        if re.search(r"^def main\(arguments", path.read_text("utf-8"), re.M)
    ]
    silent = [where(path) for path in modules if "__main__" not in path.read_text(encoding="utf-8")]
    assert not silent, f"{silent}: `python -m` does nothing with these; end them with `if __name__ == '__main__':`"
    command = [sys.executable, "-m", "grader.cli", "hint", "nothing"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 2, f"{told.stdout}{told.stderr}: grader/cli.py as a module takes no command"
    assert "no exercise or section is called" in told.stderr, f"{told.stderr}: grader/cli.py as a module says nothing"


def test_the_pages_know_how_many_sections_there_are() -> None:
    here = NUMBERS[len(sections())].capitalize()
    readme, lessons = (ROOT / name for name in ("README.md", "exercises/lessons/README.md"))
    text = readme.read_text(encoding="utf-8")
    wanted = "All seven sections are here" if here == "Seven" else f"{here} sections of seven are here"
    assert wanted in text, f"README.md does not say: {wanted}"
    for stem in sections():
        assert f"](exercises/lessons/{stem}.md)" in text, f"README.md does not link exercises/lessons/{stem}.md"
        assert f"]({stem}.md)" in lessons.read_text(encoding="utf-8"), f"{where(lessons)} does not link {stem}.md"


def test_the_sample_cohort_s_page_knows_its_submissions_and_section() -> None:
    """The samples are of section 1: an exercise more is one that they do not have, and their page counts points."""
    page = ROOT / "data" / "submissions" / "README.md"
    text, first = page.read_text(encoding="utf-8"), next(iter(sections().values()))
    points = sum(exercise.points for exercise in first.exercises.values())
    assert f"Points are of {points:g}." in text, f"{where(page)} does not say: Points are of {points:g}."
    lost = [path.name for path in page.parent.iterdir() if path.is_dir() and f"`{path.name}`" not in text]
    assert not lost, f"{where(page)} does not tell of {lost}"


def test_every_page_of_the_docs_can_be_found() -> None:
    linked = "".join(page.read_text(encoding="utf-8") for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")))
    lost = [
        where(page)
        for page in ROOT.glob("docs/*.md")
        if f"{page.name})" not in linked and f"{page.name}#" not in linked
    ]
    assert not lost, f"no page links {lost}"


def test_a_hung_test_ends_as_the_dependency_on_pytest_timeout_says() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "--timeout" in makefile, (
        "pyproject.toml says that a hung test ends with a traceback: Makefile has to give --timeout"
    )
