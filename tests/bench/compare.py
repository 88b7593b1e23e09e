"""Two versions of the grader in turns, in one run: `python -m tests.bench.compare FOLDER FOLDER [--rounds N] [section ...]`.

Each folder is a clone, such as `git worktree add` makes of another commit. In each runs one process with a warm judge, and whoever's
turn it is measures; printed are the best times of all rounds, so that what else the machine does at times hits both alike.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

MEASURES = r"""
import json, sys, time, torch
from grader.course import ROOT, section
from grader.judging import judge as judging
from grader.sandbox.host import isolation
from grader.sandbox.host.limits import Clock

torch.set_num_threads(1)
getattr(judging, "settle", lambda: None)()  # as in the judge's own process, where this version says how
judge = judging.Judge(isolation.choose())
STEM = "s1_forward_reverse"
TEXT = (ROOT / "solutions" / f"{STEM}.py").read_text()
guest = judge.sandbox.admit(STEM, f"{STEM}.py", TEXT, 1, Clock(600))


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def arguments(*shape):
    return torch.randn(shape), torch.arange(shape[0]), torch.randn(shape), torch.linspace(0.99, 0.01, shape[0])


def calls():
    found = {}
    with guest.session(Clock(600)) as session:
        call = session.q_sample
        for name, shape in (("a small call", (3, 2)), ("a call with two (64, 1, 28, 28)", (64, 1, 28, 28))):
            given = arguments(*shape)
            found[name] = min(timed(lambda: call(*given)) for _ in range(100))
        x, *given = arguments(3, 2)
        found["a small call and its gradient"] = min(
            timed(lambda: call(x.requires_grad_(), *given).sum().backward()) for _ in range(50)
        )
    given, firsts, ends = arguments(3, 2), [], []
    for _ in range(5):
        session = guest.session(Clock(600))
        firsts.append(timed(lambda: session.__enter__().q_sample(*given)))
        ends.append(timed(lambda: session.__exit__(None, None, None)))
    return {**found, "a check's fork and first call": min(firsts), "a check's end": min(ends)}


def grading(stem):
    getattr(judging, "prepare", lambda stem: None)(stem)
    text = (ROOT / "solutions" / f"{stem}.py").read_text(encoding="utf-8")
    request = judging.Request(stem, f"{stem}.py", text, 1, tuple(section(stem).exercises))
    rows = []
    seconds = timed(lambda: rows.extend(judge.grade(request)))
    assert {row["verdict"] for row in rows} == {"pass"}
    return {f"a grading of {stem}": seconds}


print("ready", flush=True)
for line in sys.stdin:
    what = json.loads(line)
    print(json.dumps(grading(what) if what else calls()), flush=True)
judge.close()
"""


class Version:
    """A clone, with a process in it that measures when it is asked."""

    def __init__(self, folder: Path) -> None:
        self.best: dict[str, float] = {}
        process = subprocess.Popen(
            [sys.executable, "-c", MEASURES],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._asks, self._tells = process, process.stdin, process.stdout
        self._tells.readline()

    def measure(self, what: str) -> None:
        """Measure a grading of a section, or calls where none is given."""
        print(json.dumps(what), file=self._asks, flush=True)
        for name, seconds in json.loads(self._tells.readline()).items():
            self.best[name] = min(seconds, self.best.get(name, seconds))

    def close(self) -> None:
        self._asks.close()
        self._process.wait()


def table(folders: list[Path], stems: list[str], rounds: int) -> str:
    versions = [Version(folder.resolve()) for folder in folders]
    for turn in range(rounds):
        for what in ("", *stems):
            for version in versions[:: -1 if turn % 2 else 1]:
                version.measure(what)
    for version in versions:
        version.close()
    before, after = (version.best for version in versions)
    rows = [
        f"| {name} | {_time(before[name])} | {_time(after[name])} | {after[name] / before[name]:.2f} |"
        for name in before
    ]
    return "\n".join(["| what | before | after | of it |", "| --- | --- | --- | --- |", *rows])


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{seconds * 1000:.2f} ms"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs=2, type=Path, metavar="FOLDER")
    parser.add_argument("sections", nargs="*", metavar="section")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    print(table(given.folders, given.sections, given.rounds))
