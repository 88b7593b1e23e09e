"""A copy of the course for a test to learn in, and the commands that a learner runs there; a desk in this process."""

import contextlib
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from grader.course import ROOT, Section, section, sections
from grader.desk import commands, memory
from grader.source.stubs import render

S1 = section("s1_forward_reverse")
JUMP = "return a.sqrt() * x0 + (1 - a).sqrt() * noise"
"""The answer to q_sample, for a test to put something else in its place."""
PRODUCT = "return torch.cumprod(1 - betas, dim=0)"
"""The answer to compute_alpha_bar."""


@dataclass(frozen=True)
class Classroom:
    """A copy of the course at `root`; the learner's module of section 1 is a stub until `hand_in`."""

    root: Path

    @property
    def module(self) -> Path:
        return self.root / "exercises" / "s1_forward_reverse.py"

    def hand_in(self, *edits: tuple[str, str]) -> None:
        """Make the learner's module the reference, with these edits; each finds its text at least once."""
        text = S1.solution.read_text(encoding="utf-8")
        for find, replace in edits:
            assert find in text
            text = text.replace(find, replace)
        self.module.write_text(text, encoding="utf-8")

    def pytest(self, *arguments: str, folder: str = ".", stdin: str = "") -> subprocess.CompletedProcess:
        return self.run("-m", "pytest", *arguments, folder=folder, stdin=stdin)

    def unstatic(self, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess:
        return self.run("-m", "grader", *arguments, timeout=timeout)

    def run(
        self, *arguments: str, folder: str = ".", stdin: str = "", timeout: float = 300
    ) -> subprocess.CompletedProcess:
        environment = os.environ | {"PYTHONPATH": str(self.root), "OMP_NUM_THREADS": "1", "COLUMNS": "100"}
        environment.pop("PYTEST_ADDOPTS", None)
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root / folder,
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
        )


def open_classroom(root: Path) -> Classroom:
    """Copy what a learner's checkout holds, with fresh stubs."""
    left_out = shutil.ignore_patterns("__pycache__", "*.png")
    for folder in ("exercises", "grader", "solutions"):
        shutil.copytree(ROOT / folder, root / folder, ignore=left_out)
    shutil.copy(ROOT / "pyproject.toml", root)
    classroom = Classroom(root)
    classroom.module.write_text(render(S1), encoding="utf-8")
    return classroom


class Said(NamedTuple):
    """What a command said and how it ended."""

    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Desk:
    """A learner's files in a folder of their own, and the commands run on them in this process: no torch to import again."""

    folder: Path

    @property
    def module(self) -> Path:
        return self.folder / f"{S1.stem}.py"

    def hand_in(self, *edits: tuple[str, str]) -> None:
        """Make section 1 the reference, with these edits; each finds its text at least once."""
        text = S1.solution.read_text(encoding="utf-8")
        for find, replace in edits:
            assert find in text
            text = text.replace(find, replace)
        self.module.write_text(text, encoding="utf-8")

    def unstatic(self, *arguments: str) -> Said:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = commands.main(arguments)
            except SystemExit as ended:
                status = int(ended.code or 0)
        return Said(status, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def open_desk(folder: Path, *stems: str) -> Iterator[Desk]:
    """A desk with fresh stubs, of all sections or of these alone; section 1 has to be among them."""
    taken = [S1, *(section(stem) for stem in stems)] if stems else list(sections().values())
    for of in taken:
        (folder / f"{of.stem}.py").write_text(render(of), encoding="utf-8")
    modules = {name: sys.modules[name] for name in (f"exercises.{of.stem}" for of in taken) if name in sys.modules}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Section, "stub", property(lambda self: folder / f"{self.stem}.py"))
        patch.setattr(memory, "STATE", folder / ".unstatic")
        patch.setattr(memory, "_told", set())
        patch.setattr("grader.findings.ROOT", folder)
        if stems:
            patch.setattr("grader.course.sections", lambda: {of.stem: of for of in taken})
            for room in ("asking", "commands", "practice", "progress", "terminal", "watch", "restoring"):
                patch.setattr(f"grader.desk.{room}.sections", lambda: {of.stem: of for of in taken})
        try:
            yield Desk(folder)
        finally:
            sys.modules.update(modules)
