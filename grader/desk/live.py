"""What is seen while pytest runs the checks: a line for each section, a mark for each exercise."""

from collections.abc import Callable
from typing import Any

from grader.course import Section
from grader.desk.progress import BLOCKED, FAIL, PASS, UNFINISHED, UNREAD, Standing
from grader.desk.terminal import MARKS

COLORS = {PASS: "green", FAIL: "red", UNFINISHED: "light", BLOCKED: "yellow", UNREAD: "red"}


class Live:
    """Writes through pytest's terminal reporter; on a terminal it also says which exercise is being checked."""

    def __init__(self, reporter: Any) -> None:
        self._reporter = reporter
        self._stem = ""
        self._marks: list[tuple[str, str]] = []

    def working_on(self, of: Section, what: str) -> None:
        """A test of this section begins."""
        if self._stem != of.stem:
            self.end_of_section()
            self._stem = of.stem
            self._reporter.write(f"{of.stem}  ")
        if self._reporter.isatty():
            self._again(lambda: self._reporter.write(f" {what}", light=True))
        self._reporter.flush()

    def settled(self, standing: Standing) -> None:
        """An exercise of the section is settled."""
        self._marks.append((MARKS[standing.state][0], COLORS[standing.state]))
        if self._reporter.isatty():
            self._again(lambda: None)
        else:
            self._reporter.write(self._marks[-1][0])
        self._reporter.flush()

    def end_of_section(self) -> None:
        """End the line, if one is begun."""
        if self._stem:
            if self._reporter.isatty():
                self._again(lambda: None)
            self._reporter.write("\n")
        self._stem, self._marks = "", []

    def _again(self, then: Callable[[], None]) -> None:
        """Write the line anew over itself, and clear what is left of the old one."""
        self._reporter.rewrite("", erase=True)
        self._reporter.rewrite(f"{self._stem}  ")
        for letter, color in self._marks:
            self._reporter.write(letter, **{color: True})
        then()
