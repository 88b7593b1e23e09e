"""How a cohort's time grows with submissions and with cores: `python -m tests.bench.linear [exercise ...]` prints a table for the docs.

Submissions of section 1, each a file of its own to the byte; of these exercises, or of all. By the last line it is seen what a second core is
worth on the machine: the same Python, in one process and in two at once.
"""

import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from grader.course import ROOT, section

STEM = "s1_forward_reverse"
SIZES = (10, 20, 40)
JOBS = (1, 2)
BUSY = "sum(range(60_000_000))"


def grading(count: int, jobs: int, only: list[str]) -> float:
    """Seconds in which so many submissions are graded by so many jobs."""
    reference = section(STEM).solution.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        names = [f"learner{number:02}" for number in range(count)]
        for name in names:
            Path(folder, name).mkdir()
            Path(folder, name, f"{STEM}.py").write_text(f"{reference}\n# {name}\n", encoding="utf-8")
        options = ["--seed", "1", "--jobs", str(jobs), *(["--only", *only] if only else [])]
        command = [sys.executable, "-m", "grader", "grade", *names, *options]
        start = time.perf_counter()
        subprocess.run(
            command, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, stdout=subprocess.DEVNULL
        )
        return time.perf_counter() - start


def busy(processes: int) -> float:
    """Seconds in which so many processes at once add up numbers."""
    start = time.perf_counter()
    running = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(processes)]
    for process in running:
        process.wait()
    return time.perf_counter() - start


def table(only: list[str]) -> str:
    steps = list(pairwise(SIZES))
    heads = ["jobs", *(f"{size} submissions" for size in SIZES), *(f"each, from {a} to {b}" for a, b in steps)]
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    for jobs in JOBS:
        took = {size: grading(size, jobs, only) for size in SIZES}
        each = [(took[b] - took[a]) / (b - a) for a, b in steps]
        cells = [str(jobs), *(f"{took[size]:.1f} s" for size in SIZES), *(f"{seconds:.2f} s" for seconds in each)]
        lines.append(f"| {' | '.join(cells)} |")
    once, twice = busy(1), busy(2)
    return "\n".join([*lines, "", f"plain Python at once in two processes: {twice / once:.2f} times as long as in one"])


if __name__ == "__main__":
    print(table(sys.argv[1:]))
