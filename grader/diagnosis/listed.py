"""The mistakes that people make, each an edit of the reference solution with a name and an explanation.

`solutions/misconceptions/sN_name/<exercise>.toml` lists an exercise's as `[[misconception]]` tables. They are what the checks are
tested with, and what a wrong answer is compared with to tell the learner which mistake it looks like.
"""

import __future__

import ast
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, ModuleType

from grader.course import section


class MisconceptionError(ValueError):
    """An entry of a misconceptions file cannot be used; the message names it and says what to do."""


@dataclass(frozen=True)
class Misconception:
    """One mistake: in the source of `exercise`, `find` is replaced by `replace`.

    Attributes:
        section: the stem of its section.
        exercise: the exercise in which it is made.
        name: a short phrase that names it, unlike any other of the section.
        find: text that occurs exactly once in the reference's function or class.
        replace: what stands there instead.
        explanation: two to four sentences: what this does, why it seems right, what shows that it is wrong.
    """

    section: str
    exercise: str
    name: str
    find: str
    replace: str
    explanation: str

    def source(self) -> str:
        """The reference module with the mistake in it.

        Raises:
            MisconceptionError: `find` does not occur exactly once in the exercise, or the edit changes nothing.
        """
        lines, first, last = self._place()
        return "\n".join([*lines[:first], self.definition(), *lines[last:]])

    def definition(self, text: str | None = None) -> str:
        """The exercise's function or class with the mistake in it.

        Args:
            text: the function or class where it is to be made, if not the reference's: one with another mistake in it.

        Raises:
            MisconceptionError: as `source`.
        """
        text = self.plain() if text is None else text
        if (count := text.count(self.find)) != 1:
            raise self._error(f"`find` occurs {count} times in the reference; choose text that occurs once")
        if self.find == self.replace:
            raise self._error("`replace` is the same as `find`; write the mistake there")
        return text.replace(self.find, self.replace)

    def plain(self) -> str:
        """The exercise's function or class in the reference."""
        lines, first, last = self._place()
        return "\n".join(lines[first:last])

    def module(self) -> ModuleType:
        """A fresh module made from `source`; the other exercises in it are the reference's, and call the wrong one.

        Raises:
            MisconceptionError: as `source`, or the edited module is not Python.
        """
        module = ModuleType(f"misconception_{self.section}")
        module.__doc__ = self.explanation
        try:
            exec(self._code(), module.__dict__)
        except SyntaxError as error:
            raise self._error(f"the edited module is not Python ({error}); mend `replace`") from error
        return module

    @cache  # noqa: B019 - a misconception lives as long as the process
    def _code(self) -> CodeType:
        # Annotations are left as text: to work out their shapes costs more than many a mistake does
        return compile(self.source(), f"<misconception: {self.name}>", "exec", __future__.annotations.compiler_flag)

    def _place(self) -> tuple[list[str], int, int]:
        """The lines of the reference, and where among them the exercise begins and ends."""
        lines, extents = _extents(section(self.section).solution)
        if self.exercise in extents:
            return lines, *extents[self.exercise]
        raise self._error(f"the reference defines no {self.exercise!r}; name an exercise of the section")

    def _error(self, problem: str) -> MisconceptionError:
        return MisconceptionError(f"{self.exercise}.toml, {self.name!r}: {problem}")


@cache
def _extents(path: Path) -> tuple[list[str], dict[str, tuple[int, int]]]:
    """The lines of a module, and from which to which its functions and classes go."""
    text = path.read_text(encoding="utf-8")
    kinds = ast.FunctionDef | ast.ClassDef
    found = [node for node in ast.parse(text).body if isinstance(node, kinds)]
    return text.split("\n"), {node.name: (node.lineno - 1, node.end_lineno or node.lineno) for node in found}


@cache
def load(stem: str) -> tuple[Misconception, ...]:
    """The misconceptions of section `stem`, exercise by exercise, each in the order of its file; none if it has no folder.

    Raises:
        MisconceptionError: a file cannot be read or is no exercise's, or an entry lacks a key, has one too many, or a
            name used before.
    """
    folder = section(stem).misconceptions
    if stray := sorted(path.name for path in folder.glob("*") if path.stem not in section(stem).exercises):
        raise MisconceptionError(f"{folder.name}/ holds {', '.join(stray)}; call a file <exercise>.toml")
    loaded: dict[str, Misconception] = {}
    for exercise in section(stem).exercises:
        for misconception in _of_exercise(stem, exercise):
            if misconception.name in loaded:
                raise MisconceptionError(f"{exercise}.toml, {misconception.name!r}: the name is taken; choose another")
            loaded[misconception.name] = misconception
    return tuple(loaded.values())


def _of_exercise(stem: str, exercise: str) -> list[Misconception]:
    path = section(stem).misconceptions / f"{exercise}.toml"
    if not path.is_file():
        return []
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise MisconceptionError(f"{path.name} is not TOML: {error}") from error
    if data.keys() - {"misconception"}:
        raise MisconceptionError(f"{path.name} holds {sorted(data)}; write [[misconception]] tables only")
    found = []
    for number, entry in enumerate(data.get("misconception", []), start=1):
        try:
            found.append(Misconception(section=stem, exercise=exercise, **entry))
        except TypeError as error:
            where = f"{path.name}, entry {number} ({entry.get('name', 'without a name')!r})"
            raise MisconceptionError(f"{where} lacks a key or has one too many: {error}") from error
    return found
