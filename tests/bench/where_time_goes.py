"""Where the time of a grading goes: `python -m tests.bench.where_time_goes [section ...]` prints a table for the docs.

the checks      the same checks on the same code in one process, as at the desk
processes       a fork of the submission for each check, its end, and clearing up after it: checks that call nothing
the connection  what is left: messages there and back, and the memory that a fresh process touches for the first time
"""

import contextlib
import importlib
import sys
import time
from collections.abc import Callable

from grader.checks.collect import collect
from grader.checks.run import outcome
from grader.checks.state import global_seed, tidy
from grader.checks.under_test import UnderTest
from grader.course import ROOT, section, sections
from grader.judging.judge import Judge, Request, prepare, settle
from grader.sandbox.host import isolation
from grader.sandbox.host.limits import Clock

SEED = 1
ROUNDS = 3


def best_of(work: Callable[[], object]) -> float:
    """Seconds of the quickest of some rounds, after one that does not count."""
    work()
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def table(stems: list[str]) -> str:
    settle()
    lines = [
        "| section | graded | the checks | to the checks | processes | the connection | a check pays |",
        "| " + "--- | " * 7,
    ]
    with contextlib.closing(Judge(isolation.choose())) as judge:
        for stem in stems:
            text = (ROOT / "solutions" / f"{stem}.py").read_text(encoding="utf-8")
            request = Request(stem, f"{stem}.py", text, SEED, tuple(section(stem).exercises))
            module = importlib.import_module(f"solutions.{stem}")
            prepare(stem)
            checks = collect(stem)

            def at_the_desk(checks=checks, module=module) -> None:
                for check in checks:
                    with tidy(SEED):
                        assert outcome(check, UnderTest(module), SEED).verdict == "pass"

            graded = best_of(lambda request=request: judge.grade(request))
            desk = best_of(at_the_desk)
            guest = judge.sandbox.admit(stem, request.filename, text, global_seed(SEED), Clock(60))
            with contextlib.closing(guest):

                def visits(guest=guest, checks=checks) -> None:
                    for _ in checks:
                        with guest.session(Clock(60)):
                            pass

                processes = best_of(visits)
            pays = (graded - desk) / len(checks) * 1000
            lines.append(
                f"| {stem} | {graded:.2f} s | {desk:.2f} s | {graded / desk:.1f} | {processes:.2f} s "
                f"| {graded - desk - processes:.2f} s | {pays:.0f} ms |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(sys.argv[1:] or list(sections())))
