"""Under which conditions a section is judged, where a course says otherwise than we do."""

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Conditions:
    """What a verdict depends on beside the submission, the seed and the course; all of it is part of a stored row's key.

    Attributes:
        time: by what the time of an exercise's checks is multiplied, as (exercise, factor); 1 for those that are not in it.
        checks: folders with checks of the instructor's own, in the form of `exercises/checks`.
        hidden: those of them whose checks learners are not shown.
        charge_once: whether an exercise that uses a wrong one is judged with ours in its place.
    """

    time: tuple[tuple[str, float], ...] = ()
    checks: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    charge_once: bool = True

    def digest(self, stem: str) -> str:
        """What the instructor's checks of a section are; "" if there are none."""
        found = hashlib.sha256()
        files = [path for folder in self.checks for path in sorted(Path(folder, stem).rglob("*")) if _counts(path)]
        for path in files:
            hidden = any(path.is_relative_to(folder) for folder in self.hidden)
            found.update(f"{path.name} {hidden} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
        return found.hexdigest() if files else ""

    def request(self) -> dict:
        """The fields of `sitting.Request` that it says something of, as JSON has them."""
        return {"time": dict(self.time), "checks": self.checks, "hidden": self.hidden, "charge_once": self.charge_once}


def _counts(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts


OURS = Conditions()
"""What we say."""
