"""GitHub's side of a workflow: its log, annotations, the job's summary and outputs. Nothing submitted can be a command.

The runner (actions/runner, src/Runner.Common/ActionCommand.cs) takes a line for a command if it begins with `::` after white space, or
has `##[` anywhere, compared as people read, so that signs without width do not count. Hence every line of ours begins with a sign of
ours, and no two `#` stand together; what goes into an annotation is escaped as the runner undoes it.
"""

import io
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from grader.intake.visible import visible

LEVELS = ("notice", "warning", "error")
MOST_ANNOTATIONS = 10
"""GitHub shows ten of a kind from one step."""
LONGEST = 4000
MOST_OF_A_SUMMARY = 1_000_000
"""Bytes; GitHub keeps a MiB a step."""
_WITHOUT_WIDTH = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0]"
)


def say(text: str, out: TextIO | None = None) -> None:
    """Print text into the log, which takes no line of it for a command."""
    print("\n".join(logged(text)), file=out or sys.stdout, flush=True)


def logged(text: str) -> list[str]:
    """The lines of a text as they may stand in the log."""
    plain = _WITHOUT_WIDTH.sub("", visible(text)).replace("#", "# ")
    return [f"│ {line}" for line in plain.split("\n")]


class Log(io.TextIOBase):
    """What prints into this prints into the log, line by line as `say` does, whoever it is and wherever it breaks its lines."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._begun = out, ""

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        if lines:
            say("\n".join(lines), self._out)
        return len(text)

    def close(self) -> None:
        """Say what is left of a last line."""
        if self._begun:
            self.write("\n")
        super().close()


def annotation(
    level: str, message: str, *, title: str = "", file: str = "", line: int = 0, out: TextIO | None = None
) -> None:
    """Say something at a line of a file, or of the whole run."""
    if level not in LEVELS:
        raise ValueError(f"{level} is no level of an annotation")
    told = {"file": file, "line": str(line) if line > 0 else "", "title": title}
    properties = ",".join(f"{key}={_property(value)}" for key, value in told.items() if value)
    print(f"::{level} {properties}::{_data(message)}", file=out or sys.stdout, flush=True)


def _data(text: str) -> str:
    return _escaped(text, {"%": "%25", "\r": "%0D", "\n": "%0A"})


def _property(text: str) -> str:
    return _escaped(text, {"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def _escaped(text: str, signs: Mapping[str, str]) -> str:
    plain = re.sub("#(?=#)", "# ", _WITHOUT_WIDTH.sub("", visible(text))[:LONGEST])
    return "".join(signs.get(sign, sign) for sign in plain)


def summary(text: str, environment: Mapping[str, str] = os.environ) -> None:
    """Add Markdown to the job's summary; into the log where there is none."""
    path = environment.get("GITHUB_STEP_SUMMARY")
    data = text.encode()
    if len(data) > MOST_OF_A_SUMMARY:
        data = data[:MOST_OF_A_SUMMARY].rpartition(b"\n")[0] + b"\n\nThe rest is in the artifact.\n"
    if not path:
        say(text)
        return
    with Path(path).open("ab") as file:
        file.write(data + b"\n")


def output(name: str, value: str, environment: Mapping[str, str] = os.environ) -> None:
    """Set an output of the step, for the jobs after it."""
    if not re.fullmatch(r"[a-z_]+", name) or "\n" in value or "\r" in value:
        raise ValueError(f"{name}={value!r} is no output on one line")
    if path := environment.get("GITHUB_OUTPUT"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{name}={value}\n")
