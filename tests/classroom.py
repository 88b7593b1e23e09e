"""A copy of the course for a test to learn in, and the commands that a learner runs there."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from grader.course import ROOT, section
from grader.source.stubs import render

S1 = section("s1_forward_reverse")


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
        return self._run("-m", "pytest", *arguments, folder=folder, stdin=stdin)

    def unstatic(self, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess:
        return self._run("-m", "grader", *arguments, timeout=timeout)

    def _run(
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
