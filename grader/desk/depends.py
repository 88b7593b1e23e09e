"""What a verdict at the desk depends on, as a digest: while it is the same, so is the verdict.

On the learner's file and those of the course that it imports, the checks, the toolkit, the course file, the desk itself, and all
that is installed. Of a file that was changed, an exercise depends on what its checks reach from it: the other exercises'
bodies may change without it. Torch is not imported here, nor anything else that takes time.
"""

import ast
import os
import platform
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from hashlib import blake2b
from pathlib import Path

from grader.course import COURSE_FILE, ROOT, Exercise, Section, section

SCHEMA = "1"
"""Of these digests: another number, and everything is judged again."""
REACHING = re.compile(
    r"\b(globals|locals|vars|eval|exec|getattr|setattr|__import__|__dict__|importlib|inspect|sys|gc)\b"
)
"""In a file that has one of these, what an exercise reaches cannot be seen: then it depends on all of it."""
IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|.+)|import[ \t]+(.+))", re.MULTILINE)


def digest(*parts: bytes | str) -> str:
    """A digest of these, each told apart from the next."""
    found = blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        found.update(b"%d:" % len(data) + data)
    return found.hexdigest()


@cache
def surroundings() -> str:
    """What every verdict depends on: Python, all that is installed, the desk and the checks' own language."""
    installed = sorted(
        {
            name
            for folder in sys.path
            if os.path.isdir(folder)
            for name in os.listdir(folder)
            if name.endswith(".dist-info")
        }
    )
    ours = ROOT / "grader"
    files = [COURSE_FILE, ours / "course.py", ours / "faults.py", ours / "findings.py"]
    folders = (ours / "checks", ours / "desk", ROOT / "exercises" / "toolkit")
    flat = sorted((ROOT / "exercises" / "checks").glob("*.py"))
    return digest(SCHEMA, sys.version, platform.machine(), *installed, *_contents([*files, *flat]), *_trees(folders))


def of_file(of: Section, data: bytes) -> str:
    """What all verdicts on a section depend on, whose file holds `data`."""
    return digest(around(of.stem), data, *_contents(_imported(data.decode("utf-8", "replace"), {of.stub})))


@cache
def around(stem: str) -> str:
    """What all verdicts on a section depend on, whatever its file holds."""
    return digest(surroundings(), stem, *_trees([section(stem).checks]))


def of_exercise(exercise: Exercise, of: Section, data: bytes) -> str:
    """What the verdict on one exercise depends on: `of_file`, less what its checks cannot reach of the learner's file."""
    from grader.intake.sources import decode
    from grader.intake.trees import Refused

    try:
        text = decode(data, of.stub.name)
        reached = text if REACHING.search(text) else _reached(exercise, of, text)
    except (Refused, SyntaxError, ValueError, RecursionError):
        return ""
    return digest(around(of.stem), exercise.name, reached, *_contents(_imported(text, {of.stub})))


def of_reward(of: Section, data: bytes, test: Path, threads: int) -> str:
    """What a reward depends on: all of the section, its test, and what is given to draw with and to learn from."""
    given = ROOT / "exercises"
    folders = [given / "end_to_end", given / "gallery", given / "dial"]
    shown = sorted(path for path in (ROOT / "data").rglob("*") if path.is_file() and "submissions" not in path.parts)
    sizes = [f"{path.relative_to(ROOT).as_posix()} {path.stat().st_size}" for path in shown]
    return digest(of_file(of, data), test.read_bytes(), str(threads), *sizes, *_trees(folders))


def _trees(folders: Iterable[Path]) -> Iterator[bytes]:
    for folder in folders:
        yield from _contents(sorted(folder.rglob("*.py")))


def _contents(paths: Iterable[Path]) -> Iterator[bytes]:
    for path in paths:
        yield path.name.encode()
        yield path.read_bytes() if path.is_file() else b""


def _imported(text: str, seen: set[Path]) -> list[Path]:
    """The files of the course that a text imports, but for those that `surroundings` knows, and what these import."""
    found: list[Path] = []
    for place, names, plain in IMPORT.findall(text):
        several = [part.split()[0] for part in re.split(r"[,()\s]+", names or plain) if part.strip()]
        modules = [place, *(f"{place}.{name}" for name in several)] if place else several
        for module in modules:
            path = _file(module)
            if path is not None and path not in seen:
                seen.add(path)
                found += [path, *_imported(path.read_text(encoding="utf-8", errors="replace"), seen)]
    return found


def _file(module: str) -> Path | None:
    parts = module.strip(".").split(".")
    if parts[:2] in (["exercises", "toolkit"], ["exercises", "checks"]) or parts[0] == "grader":
        return None
    for folder in (ROOT, ROOT / "exercises"):
        for path in (folder.joinpath(*parts).with_suffix(".py"), folder.joinpath(*parts, "__init__.py")):
            if path.is_file():
                return path
    return None


# ------------------------------------------------------------------------------------------ what an exercise reaches


def _reached(exercise: Exercise, of: Section, text: str) -> str:
    """The module without the exercises that neither this one, nor its checks, nor anything outside of exercises names."""
    body = ast.parse(text).body
    own: dict[str, list[ast.stmt]] = {name: [] for name in of.exercises}
    rest: list[ast.stmt] = []
    for node in body:
        own.get(getattr(node, "name", ""), rest).append(node)
    folder = sorted(path for path in of.checks.glob("*.py") if not path.name.startswith("test_"))
    checks = [of.checks / f"test_{exercise.name}.py", *folder]
    asked = "\n".join(path.read_text(encoding="utf-8") for path in checks if path.is_file())
    wanted = [exercise.name, *exercise.needs, *(name for name in own if re.search(rf"\b{name}\b", asked))]
    wanted += [name for node in rest for name in _named(node) if name in own]
    kept: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name not in kept:
            kept.add(name)
            wanted += [other for node in own[name] for other in _named(node) if other in own]
    left = [node for node in body if getattr(node, "name", "") not in set(own) - kept]
    return "\n".join(ast.dump(node) for node in left)


def _named(node: ast.AST) -> set[str]:
    """All names in a piece of code, and all words of its text: an annotation may be text."""
    found: set[str] = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            found.add(part.id)
        elif isinstance(part, ast.Attribute):
            found.add(part.attr)
        elif isinstance(part, ast.Constant) and isinstance(part.value, str) and len(part.value) < 100:
            found.update(re.findall(r"\w+", part.value))
    return found
