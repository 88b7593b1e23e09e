"""What a workflow tells us, in environment variables: nothing that anybody hands in is ever part of a command line."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = r"[\w.-]+/[\w.-]+"
COMMIT = r"[0-9a-f]{40}|[0-9a-f]{64}"
NAME = r"(?!\.)[\w.@+-]{1,100}"
"""Whose a submission is: GitHub's logins and repositories, and what rosters have."""


class Unusable(ValueError):
    """A workflow does not say what it must, or says something that cannot be."""


class Settings:
    """The variables UNSTATIC_..., read when they are asked for."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self.environment = environment

    def text(self, name: str, default: str | None = None) -> str:
        """The variable UNSTATIC_<NAME>; the default where it is empty or not set.

        Raises:
            Unusable: there is neither.
        """
        variable = f"UNSTATIC_{name}"
        found = self.environment.get(variable, "").strip() or default
        if found is None:
            raise Unusable(f"{variable} is not set: the workflow has to say it")
        return found

    def matching(self, name: str, pattern: str, wanted: str, default: str | None = None) -> str:
        """The same, if it is as it must be."""
        found = self.text(name, default)
        if not re.fullmatch(pattern, found):
            raise Unusable(f"UNSTATIC_{name} is {found!r:.80}; it must be {wanted}")
        return found

    def path(self, name: str, default: str | None = None) -> Path:
        return Path(self.text(name, default)).absolute()

    def number(self, name: str, default: int | None = None) -> int:
        return int(self.matching(name, r"\d{1,18}", "a whole number", None if default is None else str(default)))

    def words(self, name: str) -> list[str]:
        return self.text(name, "").split()
