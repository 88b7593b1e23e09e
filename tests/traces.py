"""What a process can leave behind on the machine: processes, files in shared folders, mounts, control groups."""

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from grader.sandbox.host import cgroup, scratch

FOLDERS = ("/tmp", "/dev/shm", "/var/tmp")
OURS = re.compile(
    r"\.?unstatic-attack.*|huge|d|device|link-.*|\d+|log\.txt|(results|grade)\.json|junit\.xml|timestamp\.txt"
)
"""Names that submissions of the corpus give to files; others come and go on a machine that is shared."""


def descendants(pid: int) -> set[int]:
    """The processes below one that are not dead, by the kernel's account."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent, *_ = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if state != "Z":
                parents[int(entry.name)] = int(parent)
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def control_groups(judge: int) -> list[Path]:
    """The graders' control groups that a judge's jail is in; a process may end while this looks."""
    lines = []
    for pid in descendants(judge):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            lines += Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    names = {name for line in lines if scratch.OURS.fullmatch(name := line.rpartition("/")[2])}
    parents = [*(parent for parent, _ in cgroup.hierarchies()), cgroup.PROCESSOR]
    return [path for parent in parents for name in names if (path := parent / name).exists()]


@dataclass(frozen=True)
class Traces:
    """What there is at one moment."""

    processes: frozenset[int]
    files: frozenset[str]
    mounts: frozenset[str]

    @classmethod
    def now(cls) -> "Traces":
        files = {f"{folder}/{name}" for folder in FOLDERS if Path(folder).exists() for name in os.listdir(folder)}
        return cls(
            frozenset(descendants(os.getpid())),
            frozenset(path for path in files if OURS.fullmatch(path.rpartition("/")[2])),
            frozenset(Path("/proc/self/mounts").read_text().splitlines()),
        )

    def beyond(self, before: "Traces") -> dict[str, set]:
        """What is there now and was not before."""
        found = {
            "processes": set(self.processes - before.processes),
            "files": set(self.files - before.files),
            "mounts": set(self.mounts - before.mounts),
        }
        return {kind: new for kind, new in found.items() if new}
