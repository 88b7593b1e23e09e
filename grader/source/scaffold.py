"""Lay what a new exercise needs: `python -m grader.source.scaffold NAME SECTION [--after EXERCISE]`, or `make new`.

What somebody has to write in its place says TODO(NAME); `make exercise NAME=...` lists what is left. Everything is put where the
order of the course file wants it.
"""

import argparse
import ast
import keyword
import re
import sys
from pathlib import Path

from grader.course import COURSE_FILE, ROOT, Section, find_exercise, section
from grader.source import stubs
from grader.source.markers import stub_of


class ScaffoldError(ValueError):
    """The exercise cannot be laid; the message says why, and what to do. Nothing is written."""


TABLE = """[{stem}.{name}]
title = "TODO({name}): a few words"
points = 1
minutes = 10
difficulty = "gentle"
needs = []
paper = "TODO({name}): the paper, arXiv:0000.00000, eq. 0"
equation = "TODO({name}): the formula"
hints = [
    "TODO({name}): a nudge",
    "TODO({name}): a push",
    "TODO({name}): nearly there, and no code",
]

"""
SOLUTION = '''def {name}(x: Float[Tensor, "B *S"]) -> Float[Tensor, "B *S"]:
    """TODO({name}): what it gives, in one line.

    y = x                                                (TODO({name}): the equation, its paper and number)
    """
    ### BEGIN SOLUTION
    return x  # TODO({name}): the answer, and the signature above
    ### END SOLUTION
'''
CHECKS = '''"""The checks of {name}."""

from exercises.checks import expect
from exercises.checks.cases import numbers


def test_{name}_by_hand(code):
    got = code.{name}(numbers(1.0, 2.0))
    expect.close(got, numbers(1.0, 2.0), "TODO({name}): what was worked out by hand, and the equation")
'''
MISTAKES = '''# The mistakes people make in {name}, each an edit of the reference; keys: grader/diagnosis/listed.py.
# Where two look alike to every check, the first is named.

[[misconception]]
name = "{name} turned round"
find = 'return x'
replace = 'return -x'
explanation = """
TODO({name}): two to four sentences to whoever made the mistake. What it does, why it seems right, what shows that it is wrong."""
'''
LESSON = """## `{name}`

**The idea.** TODO({name}): in a sentence.

```math
y = x
```

**Where it comes from.** TODO({name}): the derivation, where it is not obvious.

![TODO({name}): what the picture shows](pictures/{stem}/{name}.png)

**What people trip over.** TODO({name}): what the mistakes look like from outside.

"""
PICTURE = """def {name}(code: ModuleType) -> Figure:
    figure, (axes,) = panels(1, height=2.6)
    x = torch.linspace(-1, 1, 50)[:, None]
    axes.plot(x, code.{name}(x), color=DATA)
    axes.set(title="TODO({name}): what is seen", xlabel="x")
    return figure
"""
NEWS = "- Section {number} has a new exercise, `{name}`: TODO({name}): what it is about. Only its stub is new.\n"


def lay(name: str, of: Section, after: str) -> dict[Path, str]:
    """The files that the exercise needs, as they are to be: those that are there with something added, and new ones.

    Raises:
        ScaffoldError: the name cannot be an exercise's, or a file has not the place where it would go.
    """
    _check_name(name)
    words = {"name": name, "stem": of.stem, "number": of.stem[1:].split("_")[0]}
    pictures = ROOT / "solutions" / "pictures" / f"{of.stem}.py"
    laid = {
        COURSE_FILE: _behind_part(COURSE_FILE, TABLE.format(**words), f"[{of.stem}.{after}]", "["),
        of.solution: _behind_definition(of.solution, SOLUTION.format(**words), after),
        of.lesson: _behind_part(of.lesson, LESSON.format(**words), f"## `{after}`", "## "),
        pictures: _behind_definition(pictures, PICTURE.format(**words), after),
    }
    changes = ROOT / "CHANGELOG.md"
    laid[changes] = _news(changes, NEWS.format(**words))
    for path, template in ((of.checks / f"test_{name}.py", CHECKS), (of.misconceptions / f"{name}.toml", MISTAKES)):
        if path.exists():
            raise ScaffoldError(f"{_shown(path)} is there already: remove it, or choose another name")
        laid[path] = template.format(**words)
    if not stubs.holds_answers(of):
        laid[of.stub] = stub_of(laid[of.solution], _shown(of.solution))
    return laid


def _check_name(name: str) -> None:
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        raise ScaffoldError(f"{name!r} cannot be a function's or a class's public name")
    try:
        other = find_exercise(name)
    except ValueError:
        return
    raise ScaffoldError(f"{other.section} has an exercise {name} already: choose another name")


def _behind_definition(path: Path, text: str, after: str) -> str:
    """A module with the text behind the function or class called `after`."""
    old = path.read_text(encoding="utf-8")
    ends = [node.end_lineno for node in ast.parse(old).body if getattr(node, "name", None) == after]
    if not ends:
        raise ScaffoldError(f"{_shown(path)} defines no {after}, behind which to write: mend that first")
    lines = old.split("\n")
    end = ends[-1] or 0
    while lines[end].startswith(" "):  # the marker that ends an answer is a comment, of no node
        end += 1
    return "\n".join([*lines[:end], "", "", text.rstrip("\n"), *lines[end:]])


def _behind_part(path: Path, text: str, first: str, sign: str) -> str:
    """A page with the text behind the part that begins with the line `first`: before the next line that begins with `sign`."""
    old = path.read_text(encoding="utf-8")
    lines = old.split("\n")
    if first not in lines:
        raise ScaffoldError(f"{_shown(path)} has no line {first}, behind whose part to write: mend that first")
    begin = lines.index(first) + 1
    end = next((n for n, line in enumerate(lines[begin:], begin) if line.startswith(sign)), None)
    if end is None:
        return f"{old.rstrip()}\n\n{text.rstrip()}\n"
    return "\n".join([*lines[:end], *text.split("\n")[:-1], *lines[end:]])


def _news(path: Path, line: str) -> str:
    """The changes with a line at the end of the newest version's list."""
    old = path.read_text(encoding="utf-8")
    newest = re.search(r"^## .*?(?=^## |\Z)", old, re.M | re.S)
    if not newest:
        raise ScaffoldError(f"{_shown(path)} has no version, ## 0.1.0 or the like: write one")
    end = newest.start() + len(newest.group().rstrip()) + 1
    return f"{old[:end]}{line}{old[end:]}"


def _shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def main(arguments: list[str] | None = None) -> int:
    """The command; 2 if the exercise cannot be laid, and then nothing is written."""
    parser = argparse.ArgumentParser(
        prog="python -m grader.source.scaffold", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("name", metavar="NAME", help="the function or class that the learner is to write")
    parser.add_argument("section", metavar="SECTION", help="the stem of its section, such as s1_forward_reverse")
    parser.add_argument("--after", metavar="EXERCISE", help="the exercise that it stands behind; else it is the last")
    options = parser.parse_args(arguments)
    try:
        of = section(options.section)
        after = options.after or list(of.exercises)[-1]
        if after not in of.exercises:
            raise ScaffoldError(f"--after: {of.stem} has no exercise {after}; it has {', '.join(of.exercises)}")
        laid = lay(options.name, of, after)
    except ValueError as error:
        print(f"nothing is written: {error}", file=sys.stderr)
        return 2
    for path, text in laid.items():
        path.write_bytes(text.encode())  # with LF everywhere: `make check` compares stubs to the byte
        print(_shown(path))
    print(f"Write what says TODO({options.name}) there. `make exercise NAME={options.name}` says what is left.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
