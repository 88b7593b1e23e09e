"""A simulated class: how much memory, store and report a large one takes. `python -m tests.bench.large_class [SUBMISSIONS [DIFFERENT]]`.

Most submissions are equal. The judge is not the question: a stand-in fails some exercises with messages as long as they can be. Each
figure is of a process that did nothing else.
"""

import json
import re
import sys
import tempfile
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

from grader.course import section
from grader.intake.sources import Source
from grader.intake.submission import Submission
from grader.judging import cohort, schedule
from grader.judging.results import Document, Row, plain_row
from grader.judging.store import Store
from grader.reports import report
from grader.syllabus.equal import equal

STEM = "s1_forward_reverse"
TEXT = section(STEM).solution.read_text(encoding="utf-8")


@dataclass(frozen=True)
class Figures:
    """What a class took."""

    submissions: int
    judged: int
    seconds: float
    memory_mib: float
    store_bytes: int
    json_bytes: int
    page_bytes: int


class StandIn:
    """A judge that counts what it is asked."""

    judged = 0

    def __init__(self, level: str) -> None:
        pass

    def grade(self, request: dict) -> list[Row]:
        type(self).judged += 1
        rows = []
        for place, name in enumerate(request["only"]):
            verdict = "pass" if zlib.crc32(f"{place} {request['text']}".encode()) % 3 else "fail"
            row = plain_row(request["stem"], name, verdict, "x" * 4000 if verdict == "fail" else "")
            rows.append(
                {**row, "checks": [{"name": f"test_{name}_{n}", "verdict": verdict, "seconds": 0.1} for n in range(5)]}
            )
        return rows  # type: ignore[return-value]

    def close(self) -> None:
        pass


def submissions(count: int, different: int) -> list[Submission]:
    """A class in which so many wrote something of their own."""
    texts = [f"{TEXT}\n# {number}\n" for number in range(different)]
    sources = [Source(f"{STEM}.py", text, "module", f"{number:064x}") for number, text in enumerate(texts)]
    return [Submission(f"learner{number:05}", {STEM: sources[number % different]}) for number in range(count)]


def measured(count: int, different: int, folder: Path) -> Figures:
    """Grade the class, and write what is written of one."""
    schedule.JudgeProcess = StandIn  # type: ignore[misc, assignment]
    StandIn.judged = 0
    start = time.monotonic()
    handed_in = submissions(count, different)
    terms = cohort.Terms(1, "bwrap", Store(folder / "results.jsonl"))
    document: Document = cohort.grade(handed_in, terms, jobs=4)
    document["equal"] = equal(handed_in)
    with (folder / "grades.json").open("w", encoding="utf-8") as file:
        json.dump(document, file)
    (folder / "index.html").write_text(report.html(document), encoding="utf-8")
    sizes = [(folder / name).stat().st_size for name in ("results.jsonl", "grades.json", "index.html")]
    return Figures(count, StandIn.judged, round(time.monotonic() - start, 1), round(_most_memory()), *sizes)


def _most_memory() -> float:
    """The most that this process had of the machine's memory, in MiB; getrusage would count what its parent had, too."""
    said = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    return int(said[1]) / 1024 if said else float("nan")


def main() -> None:
    """Print the figures, as JSON."""
    count, different = [*map(int, sys.argv[1:3]), 10_000, 200][:2] if len(sys.argv) != 2 else [int(sys.argv[1]), 200]
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(vars(measured(count, different, Path(folder))), indent=1))


if __name__ == "__main__":
    main()
