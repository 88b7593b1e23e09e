"""What a verdict at the desk depends on, as a digest: while it is the same, so is the verdict.

It depends on the learner's file, on those files beside it that it may use, on the checks, the toolkit, the course file and the desk
itself, and on all that is installed. Within the learner's file an exercise depends only on what its checks reach: the bodies of other exercises
may change and its verdict stays. Neither torch nor anything else that takes time is imported here.
"""

import ast
import os
import platform
import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from hashlib import blake2b
from itertools import islice
from pathlib import Path

from grader.course import COURSE_FILE, ROOT, Exercise, Section, section, sections

SCHEMA = "1"
"""Of these digests: another number, and everything is judged again."""
REACHING = re.compile(
    r"\b(globals|locals|vars|eval|exec|getattr|setattr|__import__|__dict__|importlib|inspect|sys|gc)\b"
)
"""In a file that has one of these, what an exercise reaches cannot be seen: then it depends on all of it."""
READING = re.compile(
    r"\b(open|read|loads?|read_\w+|load_\w+|\w*readers?|loadtxt|genfromtxt|\w*from_?file|memmap|imread|import_module|importlib"
    r"|__import__|runpy|exec|eval|r?glob|iterdir|listdir|scandir|walk|sqlite3|h5py)\b"
)
"""Where one of these stands, a file may be read, or imported, whose name cannot be seen."""
GIVEN = ("data", "exercises", "exercises/checks", "exercises/toolkit", "grader")
"""What lies beside a section and changes only with the course, or is looked at by itself."""
COMMENT = re.compile(r"^[ \t]*#.*", re.MULTILINE)
MOST = 1000
"""Of a folder's files so many are looked at."""


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
    return digest(around(of.stem), data, *_beside(data.decode("utf-8", "replace"), of))


@cache
def around(stem: str) -> str:
    """What all verdicts on a section depend on, whatever its file holds."""
    return digest(surroundings(), stem, *_trees([section(stem).checks]))


def of_exercise(exercise: Exercise, of: Section, data: bytes) -> str:
    """What the verdict on one exercise depends on: `of_file`, less what its checks cannot reach of the learner's file."""
    from grader.intake.sources import decode
    from grader.intake.trees import Refused
    from grader.source.stubs import NOT_PYTHON

    try:
        text = decode(data, of.stub.name)
        reached = text if REACHING.search(text) else _reached(exercise, of, text)
    except (Refused, *NOT_PYTHON):
        return ""
    return digest(around(of.stem), exercise.name, reached, *_beside(text, of))


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
        yield _content(path)


def _beside(text: str, of: Section) -> Iterator[bytes]:
    """Of what lies beside a section, what its text may use: that which a word of it names, and what this uses in turn.

    A word in a string counts too, so that it does not matter how something is imported. Where files are read, it may be any.
    """
    given = {of.stub, *(ROOT / name for name in GIVEN)}
    lying = [path for folder in (ROOT, ROOT / "exercises") for path in sorted(folder.iterdir())]
    lying = [path for path in lying if not path.name.startswith(".") and path not in given]
    texts, words, named, reads = [text], set[str](), list[Path](), False
    while texts:
        code = COMMENT.sub("", texts.pop())
        words.update(re.findall(r"\w+", code))
        reads = reads or READING.search(code) is not None
        for path in [path for path in lying if path.stem in words]:
            lying.remove(path)
            named.append(path)
            for module in [path] if path.suffix == ".py" else sorted(islice(path.rglob("*.py"), MOST)):
                data = _content(module)
                yield from (os.fsencode(module.name), data)
                texts.append(data.decode("utf-8", "replace"))
    yield from map(_stamp, [path for path in named if path.suffix != ".py" and path.is_file()])
    if reads:
        yield from map(_stamp, [path for path in lying if path.is_file() and path.stem not in sections()])
        inner = [path for folder in named for path in sorted(islice(folder.rglob("*"), MOST)) if path.is_file()]
        yield from map(_stamp, [path for path in inner if path.suffix != ".pyc"])


def _content(path: Path) -> bytes:
    """A file's bytes; none if it cannot be read, as when it was taken away since it was seen."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _stamp(path: Path) -> bytes:
    """What tells a file from what it was before without reading it: it may be large."""
    try:
        found = path.stat()
    except OSError:
        return b""
    return os.fsencode(path.name) + b" %d %d" % (found.st_size, found.st_mtime_ns)


# ------------------------------------------------------------------------------------------ what an exercise reaches


def _reached(exercise: Exercise, of: Section, text: str) -> str:
    """The module, but of the exercises that neither this one, nor its checks, nor what an import runs names, only what an import runs.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: it cannot be imported.
    """
    body = _parsed(text).body
    own: dict[str, list[ast.stmt]] = {name: [] for name in of.exercises}
    rest: list[ast.stmt] = []
    for node in body:
        own.get(getattr(node, "name", ""), rest).append(node)
    folder = sorted(path for path in of.checks.glob("*.py") if not path.name.startswith("test_"))
    checks = [of.checks / f"test_{exercise.name}.py", *folder]
    asked = "\n".join(path.read_text(encoding="utf-8") for path in checks if path.is_file())
    wanted = [exercise.name, *exercise.needs, *(name for name in own if re.search(rf"\b{name}\b", asked))]
    imported = [*rest, *(_imported(node) for nodes in own.values() for node in nodes)]
    wanted += [name for node in imported for name in _named(node) if name in own]
    kept: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name not in kept:
            kept.add(name)
            wanted += [other for node in own[name] for other in _named(node) if other in own]
    left_out = set(own) - kept
    return "\n".join(ast.dump(_imported(node) if getattr(node, "name", "") in left_out else node) for node in body)


@lru_cache(maxsize=1)
def _parsed(text: str) -> ast.Module:
    """What is Python also to whoever compiles it: the parser takes a `break` without a loop."""
    with warnings.catch_warnings(action="ignore"):  # they come when it is imported
        module = ast.parse(text)
        compile(module, "", "exec", dont_inherit=True)
    return module


def _imported(node: ast.stmt) -> ast.stmt:
    """What an import runs of a definition: decorators, defaults, annotations and bases, and of a class what else is in it."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        own: list[ast.stmt] = []
    elif isinstance(node, ast.ClassDef):
        own = [_imported(inner) for inner in node.body]
    else:
        return node
    return type(node)(**{**dict(ast.iter_fields(node)), "body": own})


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
