"""How many wrong answers get the right name: `python -m tests.naming [STEM ...] [--only EXERCISE ...] [--show] [--write]`.

`tests/named/<stem>*.toml` hold wrong answers written from the contract alone, without a look at checks and misconceptions:

    [[answer]]
    exercise = "q_sample"
    mistake = "in the author's words: what is wrong with it"
    name = "what it was called when somebody read the name against the answer; no such line: nobody has"
    wrong = true                      # only where that name was read and found wrong
    code = '''
    def q_sample(x0, t, noise, alpha_bar):
        ...
    '''

The code is added to the section's reference, so torch, extract and the other exercises are there, and run as at the desk.
"""

import argparse
import re
import time
import tomllib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from grader.checks.collect import collect
from grader.checks.run import Evidence, outcome
from grader.checks.state import tidy
from grader.checks.under_test import UnderTest
from grader.course import section, sections
from grader.diagnosis.diagnose import diagnose

FOLDER = Path(__file__).parent / "named"
SEED = 1


@dataclass(frozen=True)
class Answer:
    """A wrong answer of the set: where it is, what its author says of it, and the name that was read against it."""

    file: Path
    number: int
    stem: str
    exercise: str
    mistake: str
    code: str
    name: str | None
    wrong: bool

    def __str__(self) -> str:
        return f"{self.file.name} {self.number:3d} {self.exercise}: {self.mistake}"


def answers(stem: str) -> Iterator[Answer]:
    """The wrong answers of a section, file by file."""
    for file in sorted(FOLDER.glob(f"{stem}*.toml")):
        for number, entry in enumerate(tomllib.loads(file.read_text(encoding="utf-8"))["answer"], 1):
            known = {"exercise", "mistake", "code", "name", "wrong"}
            if stray := entry.keys() - known:
                raise ValueError(f"{file.name}, answer {number}: {sorted(stray)} is not one of {sorted(known)}")
            if entry["exercise"] not in section(stem).exercises:
                raise ValueError(f"{file.name}, answer {number}: {stem} has no exercise {entry['exercise']!r}")
            yield Answer(
                file, number, stem, entry["exercise"], entry["mistake"], entry["code"],
                entry.get("name"), entry.get("wrong", False),
            )  # fmt: skip


def failures(answer: Answer, seed: int = SEED) -> dict[str, Evidence]:
    """What the answer left behind in the checks that it fails."""
    module = ModuleType("answer")
    exec(_compiled(answer.stem), module.__dict__)
    exec(compile(answer.code, f"<{answer.file.name} {answer.number}>", "exec"), module.__dict__)
    found = {}
    for check in collect(answer.stem):
        if check.exercise == answer.exercise:
            with tidy(seed), warnings.catch_warnings(action="ignore"):
                evidence = outcome(check, UnderTest(module), seed).evidence
            if evidence is not None:
                found[check.name] = evidence
    return found


_CODES: dict[str, object] = {}


def _compiled(stem: str) -> object:
    if stem not in _CODES:
        _CODES[stem] = compile(section(stem).solution.read_text(encoding="utf-8"), stem, "exec")
    return _CODES[stem]


@dataclass
class Tally:
    """The answers of a section by what became of them."""

    passed: list[Answer]
    unnamed: list[Answer]
    right: list[Answer]
    wrong: list[Answer]
    unread: list[tuple[Answer, str]]

    @property
    def rejected(self) -> int:
        return len(self.unnamed) + len(self.right) + len(self.wrong) + len(self.unread)


def tally(found: list[tuple[Answer, str | None, bool]]) -> Tally:
    """Sort (answer, name, whether it passed) by what became of each; a name that nobody has read counts as neither."""
    sorted_ = Tally([], [], [], [], [])
    for answer, name, passed in found:
        if passed:
            sorted_.passed.append(answer)
        elif name is None:
            sorted_.unnamed.append(answer)
        elif name != answer.name:
            sorted_.unread.append((answer, name))
        else:
            (sorted_.wrong if answer.wrong else sorted_.right).append(answer)
    return sorted_


def name_of(answer: Answer, seed: int = SEED) -> tuple[str | None, bool]:
    """The name that the answer gets, and whether it passes instead."""
    found = failures(answer, seed)
    named = diagnose(answer.stem, answer.exercise, found, seed)
    return named and named.name, not found


def write(file: Path, names: dict[int, str]) -> None:
    """Put names into a file of the set, by the number of the answer: they are then taken as read."""
    parts = re.split(r"(?m)^(?=\[\[answer\]\])", file.read_text(encoding="utf-8"))
    for number, name in names.items():
        lines = [line for line in parts[number].split("\n") if not re.match(r"(name|wrong) = ", line)]
        at = next(index for index, line in enumerate(lines) if line.startswith("mistake = ")) + 1
        text = name.replace("\\", "\\\\").replace('"', '\\"')
        parts[number] = "\n".join([*lines[:at], f'name = "{text}"', *lines[at:]])
    file.write_text("".join(parts), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.naming")
    parser.add_argument("stems", nargs="*", metavar="STEM")
    parser.add_argument("--only", nargs="+", default=[], metavar="EXERCISE", help="these exercises alone")
    parser.add_argument("--show", action="store_true", help="each answer with the name that it gets")
    parser.add_argument("--write", action="store_true", help="take the names that were just given as read and right")
    parser.add_argument("--seed", type=int, default=SEED)
    asked = parser.parse_args()
    print("section               answers rejected    named     right  wrong  unread  seconds")
    for stem in asked.stems or sections():
        found, start = [], time.perf_counter()
        for answer in answers(stem):
            if asked.only and answer.exercise not in asked.only:
                continue
            began = time.perf_counter()
            name, passed = name_of(answer, asked.seed)
            found.append((answer, name, passed))
            if asked.show:
                print(
                    f"  {time.perf_counter() - began:5.1f} s  {answer}\n             {'PASSES' if passed else name}",
                    flush=True,
                )
        if not found:
            continue
        of = tally(found)
        named = of.rejected - len(of.unnamed)
        share = 100 * named / max(of.rejected, 1)
        print(
            f"{stem:22}{len(found):7d}{of.rejected:9d}{named:7d} = {share:3.0f} %{len(of.right):6d}{len(of.wrong):7d}"
            f"{len(of.unread):8d}{time.perf_counter() - start:9.0f}",
            flush=True,
        )
        if not asked.show:
            for answer in of.passed:
                print(f"  passes:   {answer}")
            for answer in of.unnamed:
                print(f"  no name:  {answer}")
            for answer, name in of.unread:
                print(f"  unread:   {answer}\n            {name}")
        if asked.write:
            for file in {answer.file for answer, _ in of.unread}:
                write(file, {answer.number: name for answer, name in of.unread if answer.file == file})


if __name__ == "__main__":
    main()
