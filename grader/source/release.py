"""The learner's repository: stubs, toolkit, lessons, checks and the learner's commands; no answer, and nothing made of one.

What is in it is picked, never what is left out: a file that nobody named stays here.
"""

import json
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement

from grader.course import COURSE_FILE, ROOT, Section, sections
from grader.source import folder
from grader.source.imports import needed
from grader.source.stubs import render

COMMANDS = ("grader.desk.alone", "grader.desk.plugin", "grader.desk.in_notebook")
"""The learner's ways into the grader."""
NOT_FOR_LEARNERS = ("grader.diagnosis",)
"""It compares with the answers: without them it has nothing to say."""
SITE = ROOT / "site"
"""Where `make site` builds the course's site."""
EVERY_WEEK = ("exercises/__init__.py", "exercises/conftest.py", "LICENSE", "CHANGELOG.md")
FOLDERS = ("exercises/toolkit", "exercises/dial", "exercises/capstone", "data/mnist")
WITH_SECTIONS = ("exercises/checks", "exercises/gallery", "exercises/end_to_end", "exercises/shortcut")
"""Folders of which a section's own part comes with the section, and the rest always."""
PARTS = ("shortcut", "images")
"""Of the optional parts, those that learners may want."""


def release(to: Path, stems: Collection[str] = ()) -> list[str]:
    """Write the learner's repository to a folder, or bring the one that is there up to date; says what was done.

    Args:
        to: the folder. What a learner, or anybody else, wrote in it is kept.
        stems: the sections that are to be in it, beside those that are in it already; all of them if empty.

    Raises:
        folder.FolderError: it cannot be written to as it is.
        OSError: the system says no.
    """
    refuse_the_course(to)
    before = folder.record(to)
    if before.get("kind", "learner") != "learner":
        raise folder.FolderError(f"{to} holds an nbgrader course: choose another folder")
    had = set(before.get("sections", []))
    chosen = [of for stem, of in sections().items() if not stems or stem in stems or stem in had]
    theirs = [_path(of.stub) for of in chosen]
    done = folder.write(to, files(chosen), theirs, kind="learner", sections=[of.stem for of in chosen])
    said = told(to, done, chosen, {_path(of.stub): _path(of.pristine) for of in chosen})
    return [*said, "It has the course's site as it was built last, for `unstatic read`."] if _site(chosen) else said


def refuse_the_course(to: Path) -> None:
    """A release into the course itself would write over what it is made from."""
    place = to.resolve()
    if place == ROOT or any(place.is_relative_to(ROOT / name) for name in ("exercises", "grader", "solutions")):
        raise folder.FolderError(f"{to} is the course itself: a release goes into a folder of its own")


def told(to: Path, done: folder.Written, chosen: Iterable[Section], anew: Mapping[str, str]) -> list[str]:
    """What was done, in sentences; `anew` says where that lies which we would have written over somebody's work."""
    said = [f"{to} has {', '.join(of.stem for of in chosen)}: {len(done.written)} files written."]
    said += [f"{path} was changed and is kept as it is." for path in done.stayed if path not in done.renewed]
    said += [f"{path} was changed and is kept; ours there is a new one, in {anew[path]}." for path in done.renewed]
    said += [f"{path} was changed; that lies in {place} now." for path, place in done.aside.items()]
    if done.removed:
        said.append(f"{len(done.removed)} files that are in no release any more were removed.")
    said += [f"{path} is in no release any more, was changed, and is kept." for path in done.left]
    return said


def files(chosen: Iterable[Section]) -> dict[str, bytes]:
    """All files of the repository, by path within it."""
    chosen = list(chosen)
    stems = {of.stem for of in chosen}
    found: dict[str, bytes] = {}
    for path in _given(stems):
        found[_path(path)] = path.read_bytes()
    for of in chosen:
        found[_path(of.stub)] = found[_path(of.pristine)] = render(of).encode()
    for page in [COURSE_FILE.parent / "lessons" / "README.md", *(of.lesson for of in chosen)]:
        found[_path(page)] = _page(page, stems).encode()
        for picture in _pictures(page):
            found[_path(picture)] = picture.read_bytes()
    for path in _site(chosen):
        found[f"site/{path.relative_to(SITE).as_posix()}"] = path.read_bytes()
    found[_path(COURSE_FILE)] = _course_file(stems).encode()
    found["grader/__main__.py"] = MAIN.encode()
    found["pyproject.toml"] = _pyproject().encode()
    found["constraints.txt"] = _lock().encode()
    found["README.md"] = _readme(chosen).encode()
    found["AGENTS.md"] = _for_assistants().encode()
    found[".gitignore"] = IGNORED.encode()
    found[".gitattributes"] = b"* text=auto eol=lf\n"
    found[".github/workflows/status.yml"] = WORKFLOW.format(
        checkout=_action("checkout"), setup_python=_action("setup-python")
    ).encode()
    return dict(sorted(found.items()))


def _path(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _given(stems: Collection[str]) -> list[Path]:
    """The files that go into the repository as they are."""
    found = [ROOT / name for name in EVERY_WEEK]
    found += needed(COMMANDS, NOT_FOR_LEARNERS)
    for name in FOLDERS:
        found += _inside(ROOT / name)
    for name in WITH_SECTIONS:
        found += [path for path in _inside(ROOT / name) if _belongs(path.relative_to(ROOT / name), stems)]
    return found


def _site(chosen: Collection[Section]) -> list[Path]:
    """The files of the site, if it is built here: it shows all sections, and so goes out with all of them alone."""
    if not (SITE / "index.html").is_file() or len(chosen) < len(sections()):
        return []
    return sorted(path for path in SITE.rglob("*") if path.is_file())


def _inside(place: Path) -> list[Path]:
    """The files of a folder that are the course's: none that was made, downloaded or forgotten there, or is hidden."""
    kinds = {".py", ".md", ".gz", ".json", ".toml", ""}

    def ours(name: str) -> bool:
        return name not in ("__pycache__", "full") and not name.startswith(".")

    return [
        path
        for path in sorted(place.rglob("*"))
        if path.is_file() and path.suffix in kinds and all(map(ours, path.relative_to(place).parts))
    ]


def _belongs(path: Path, stems: Collection[str]) -> bool:
    """Whether a file is of one of these sections, or of none: its folder's name tells, or its own."""
    own = {path.parts[0], path.stem, path.stem.removeprefix("test_")} & sections().keys()
    return own <= set(stems)


# ------------------------------------------------------------------------------------------------------------ pages

_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)")
_IMAGE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)")


def _page(page: Path, stems: Collection[str]) -> str:
    """A page of the lessons without the rows of sections that are not released, nor links to them."""
    away = {f"{stem}.md" for stem in sections().keys() - set(stems)}
    lines = page.read_text(encoding="utf-8").split("\n")
    kept = [line for line in lines if not (line.startswith("| ") and any(f"]({name})" in line for name in away))]
    return _LINK.sub(lambda link: link[1] if link[2].split("#")[0] in away else link[0], "\n".join(kept))


def _pictures(page: Path) -> list[Path]:
    """The pictures that a page shows."""
    shown = _IMAGE.findall(page.read_text(encoding="utf-8"))
    return sorted({(page.parent / name).resolve() for name in shown if "://" not in name})


def _course_file(stems: Collection[str]) -> str:
    """The course file without the tables of sections that are not released."""
    parts = re.split(r"^(?=\[)", COURSE_FILE.read_text(encoding="utf-8"), flags=re.M)
    return "".join(part for part in parts if not part.startswith("[") or re.split(r"[.\]]", part[1:])[0] in stems)


def _for_assistants() -> str:
    """AGENTS.md as far as it is about learners."""
    text = (ROOT / "AGENTS.md").read_text(encoding="utf-8")
    begin, end = text.index("## With learners"), text.index("## With contributors")
    return f"# For coding assistants\n\nWho works here is a **learner**.\n\n{text[begin:end].rstrip()}\n"


# ------------------------------------------------------------------------------------------------- what to install


def _project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _pyproject() -> str:
    project = _project()
    options = {name: project["optional-dependencies"][name] for name in PARTS}
    return PYPROJECT.format(
        version=project["version"],
        python=project["requires-python"],
        dependencies=_list(project["dependencies"]),
        options="\n".join(f"{name} = {_list(wanted)}" for name, wanted in options.items()),
    )


def _action(name: str) -> str:
    """An action by the commit that this repository's own workflow uses: a tag can be moved."""
    text = (ROOT / ".github" / "workflows" / "check.yml").read_text(encoding="utf-8")
    found = re.search(rf"uses: (actions/{name}@[0-9a-f]{{40}} # \S+)", text)
    assert found, f"check.yml pins no actions/{name} by commit"
    return found[1]


def _list(items: Iterable[str]) -> str:
    return "[\n" + "".join(f"    {json.dumps(item)},\n" for item in items) + "]"


def _lock() -> str:
    """The tested versions of what learners install: of `constraints.txt` what their requirements lead to."""
    project = _project()
    wanted = [*project["dependencies"], *(item for name in PARTS for item in project["optional-dependencies"][name])]
    names, waiting = set(), [Requirement(text).name for text in wanted]
    while waiting:
        if (name := _plain(waiting.pop())) not in names:
            names.add(name)
            waiting += _requirements(name)
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    tested = [line for line in lines if "==" in line and _plain(line.split("==")[0]) in names]
    return "\n".join(["# The versions that the course is tested with.", *tested]) + "\n"


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _requirements(name: str) -> list[str]:
    """What a package asks for, on whatever system, leaving its extras aside; nothing is known of one that is not installed."""
    try:
        found = [Requirement(text) for text in requires(name) or []]
    except PackageNotFoundError:
        return []
    return [one.name for one in found if one.marker is None or "extra" not in str(one.marker)]


# ------------------------------------------------------------------------------------------------------------ texts


def _readme(chosen: Iterable[Section]) -> str:
    rows = [f"| [{of.title}](exercises/lessons/{of.stem}.md) | `exercises/{of.stem}.py` |" for of in chosen]
    return README.replace("ROWS", "\n".join(rows))


README = """# Unstatic

*They poured static on me until I forgot what I was, then taught a network to un-forget me one grain at a time.*

A course in diffusion models, in PyTorch. You fill in stubs, run `pytest exercises`, and are told what is wrong and why.

## Begin

You need Python 3.11 or newer.

```sh
python3 -m venv .venv && . .venv/bin/activate      # on Windows: py -m venv .venv and .venv\\Scripts\\activate
pip install -c constraints.txt -e .
pytest exercises                                   # says where you stand, and where to begin
```

On Linux, pip may bring torch with CUDA, several gigabytes. Where the CPU is enough, install the CPU build first, as
[pytorch.org](https://pytorch.org/get-started/locally/) says.

Read [how to work](exercises/lessons/README.md), open a section's file beside its lesson, and replace the first
`raise NotImplementedError`.

| lesson | your file |
| --- | --- |
ROWS

| command | what it does |
| --- | --- |
| `unstatic status`, `unstatic next`, `unstatic next s2` | what passes, and where to go on, in all or in a section |
| `unstatic check NAME`, `unstatic watch NAME` | run the checks of one exercise; run them whenever you save |
| `unstatic hint NAME` | three hints, one at a time, from a nudge to nearly there |
| `unstatic show SECTION` | pictures made by your own functions |
| `unstatic dial` | quality against calls of the model, for every sampler that you have written |
| `unstatic capstone` | static into digits: your functions of all seven sections as one system |
| `unstatic reset NAME` | the stub again; yours is kept in `.unstatic/` |

What you hand in are the files `exercises/sN_name.py`. Everything else is given: what you change in it, nobody grades.

## What this repository leaves out

The course's own answers are not here, so `unstatic solution` has nothing to show. Nor can a failing check say here which known
mistake your answer looks like: that is found out by making the mistake in our answer. It says what was called, what came back, what was
expected and why; the name comes with your grade.

## When the course is renewed

Your answers stay as they are. `exercises/stubs/` has the stubs as they were released last; what changed is in [CHANGELOG.md](CHANGELOG.md).

[AGENTS.md](AGENTS.md) is for coding assistants: they tutor, and do not solve. The licence is [MIT](LICENSE).
"""
PYPROJECT = """[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "unstatic"
version = "{version}"
description = "A graded course in diffusion models: the learner's side."
requires-python = "{python}"
dependencies = {dependencies}

[project.optional-dependencies]
{options}

[project.scripts]
unstatic = "grader.desk.alone:main"

[tool.setuptools.packages.find]
include = ["grader*", "exercises*"]

[tool.setuptools.package-data]
"exercises" = ["*.toml", "lessons/*.md"]

[tool.pytest.ini_options]
testpaths = ["exercises"]
pythonpath = ["."]
addopts = "--import-mode=importlib -ra"
markers = [
    "slow: takes minutes",
    "gpu: needs a CUDA device; skipped without one",
]
"""
MAIN = '''"""`python -m grader` is `unstatic`."""

import sys

from grader.desk.alone import main

sys.exit(main())
'''
IGNORED = """.venv
__pycache__/
*.egg-info/
.pytest_cache/
.hypothesis/
.ipynb_checkpoints/
.unstatic/
/pictures/
/data/mnist/full/
"""
WORKFLOW = """# Where you stand, after each push: a table in the run's summary. It is for you; your grade comes from elsewhere.
name: status

on: [push]

permissions:
  contents: read

jobs:
  status:
    runs-on: ubuntu-24.04
    timeout-minutes: 30
    env:
      PIP_EXTRA_INDEX_URL: https://download.pytorch.org/whl/cpu # torch without CUDA: megabytes instead of gigabytes
    steps:
      - uses: {checkout}
        with:
          persist-credentials: false
      - uses: {setup_python}
        with:
          python-version: "3.11"
          cache: pip
          cache-dependency-path: constraints.txt
      - run: pip install -c constraints.txt -e .
      - run: |
          unstatic status | tee status.txt
          {{ echo '```'; cat status.txt; echo '```'; }} >> "$GITHUB_STEP_SUMMARY"
"""
