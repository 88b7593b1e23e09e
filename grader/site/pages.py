"""The site's pages as Markdown, from the sources, in the folders that those have in the repository."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grader.course import ROOT, Section, sections
from grader.site import exercise, front, listings, moving

LESSONS = ROOT / "exercises" / "lessons"
DOCS = ROOT / "docs"
LINK = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
FENCE = re.compile(r"^( *)(```+|~~~+)[^\n]*\n.*?^\1\2 *$", re.M | re.S)
GITHUBS_PLACE = re.compile(r'^<a id="\w+"></a>\n\n?', re.M)
"""What a lesson has where GitHub would spell a heading's place otherwise; here the heading has it."""
HEADING = re.compile(r"^## +(?P<title>.+?) *$", re.M)


def lay(folder: Path) -> list[Any]:
    """Write all pages below the folder, with their pictures, and return the site's navigation."""
    for picture in [*LESSONS.rglob("*.png"), *DOCS.glob("*.png")]:
        copy = folder / picture.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(picture, copy)
    _write(folder, "index.md", front.page())
    _write(folder, "moving.md", moving.page())
    web = repository()
    for path in published():
        found = next((one for one in sections().values() if one.lesson == path), None)
        text = folded(linked(path.read_text(encoding="utf-8"), path, web))
        _write(folder, path.relative_to(ROOT).as_posix(), lesson(found, text) if found else text)
    for section in sections().values():
        _write(folder, f"exercises/{section.stem}.md", listings.stub(section))
        _write(folder, f"exercises/checks/{section.stem}.md", listings.checks(section))
    return navigation()


def navigation() -> list[Any]:
    """The site's contents, in order."""
    lessons = [{f"{number}. {one.title}": _of(one.lesson)} for number, one in enumerate(sections().values(), 1)]
    documents = [{_title(path): _of(path)} for path in sorted(DOCS.glob("*.md"))]
    code = [
        {f"{'Stub' if kind == 'exercises' else 'Checks'} of section {number}": f"{kind}/{stem}.md"}
        for number, stem in enumerate(sections(), 1)
        for kind in ("exercises", "exercises/checks")
    ]
    return [
        {"Home": "index.md"},
        {"How to work, notation": _of(LESSONS / "README.md")},
        {"Lessons": lessons},
        {"Pictures that move": "moving.md"},
        {"Instructors and the curious": documents},
        {"Stubs and checks": code},
        {"What changed": "CHANGELOG.md"},
    ]


def published() -> list[Path]:
    """What is in the repository as Markdown and becomes a page."""
    return [
        LESSONS / "README.md",
        *(one.lesson for one in sections().values()),
        *sorted(DOCS.glob("*.md")),
        ROOT / "CHANGELOG.md",
    ]


def repository() -> str:
    """Where the repository is to be read on the web, without a slash at its end; empty if nobody knows."""
    if name := os.environ.get("GITHUB_REPOSITORY"):
        return f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{name}"
    try:
        asked = ["git", "-C", str(ROOT), "remote", "get-url", "origin"]
        origin = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""  # no git, no repository, or no origin: then there is no such place
    found = re.fullmatch(r"(?:https://(?:[^@/]*@)?|git@|ssh://git@)([\w.-]+)[:/](.+?)(?:\.git)?/?", origin)
    return f"https://{found[1]}/{found[2]}" if found else ""


def address() -> str:
    """Where the site will be on GitHub's Pages; empty elsewhere."""
    owner, _, name = os.environ.get("GITHUB_REPOSITORY", "").partition("/")
    return f"https://{owner.lower()}.github.io/{name}/" if name else ""


def lesson(section: Section, text: str) -> str:
    """A lesson, in which each exercise's heading has become its place."""
    written = []
    for heading, body in _parts(GITHUBS_PLACE.sub("", text)):
        name = heading.strip("`")
        if heading.startswith("`") and name in section.exercises:
            body = exercise.placed(section, section.exercises[name], body)
        elif heading:
            body = f"## {heading}\n{body}"
        written.append(body)
    return exercise.contents(section, "".join(written))


def linked(text: str, path: Path, web: str) -> str:
    """Links to what is no page of the site lead to the repository on the web; the words are left where that is not known."""
    there = {*published(), *LESSONS.rglob("*.png"), *DOCS.glob("*.png")}

    def one(found: re.Match) -> str:
        target, _, part = found["target"].partition("#")
        if "://" in target or target.startswith("mailto:") or not target:
            return found[0]
        file = (path.parent / target).resolve()
        if file in there:
            return found[0]
        if file == ROOT / "README.md":
            return f"[{found['text']}]({os.path.relpath(ROOT / 'index.md', path.parent)})"
        if not web or not file.is_relative_to(ROOT):
            return found["text"]
        return f"[{found['text']}]({web}/blob/main/{file.relative_to(ROOT).as_posix()}{'#' + part if part else ''})"

    return outside_fences(text, lambda prose: LINK.sub(one, prose))


def folded(text: str) -> str:
    """What GitHub folds is read as Markdown here too."""
    return outside_fences(text, lambda prose: prose.replace("<details>", '<details markdown="1">'))


def outside_fences(text: str, change: Any) -> str:
    """The text with its prose changed and its blocks of code left alone."""
    done, last = [], 0
    for found in FENCE.finditer(text):
        done += [change(text[last : found.start()]), found[0]]
        last = found.end()
    return "".join([*done, change(text[last:])])


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """Each second-level heading with what follows it; what stands before the first has an empty heading."""
    fences = [(found.start(), found.end()) for found in FENCE.finditer(text)]
    heads = [one for one in HEADING.finditer(text) if not any(start <= one.start() < end for start, end in fences)]
    yield "", text[: heads[0].start()] if heads else text
    for one, following in zip(heads, [*heads[1:], None], strict=True):
        yield one["title"], text[one.end() : following.start() if following else None]


def _title(path: Path) -> str:
    return next(line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("# "))[2:].strip()


def _of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
