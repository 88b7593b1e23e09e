"""The scheduler of units ends whenever it is interrupted, and loses no unit where it is not."""

import subprocess
import sys

from grader.course import ROOT

INTERRUPTED = """
import random, signal, time
from grader.judging.schedule import run

class Quick:
    def grade(self, unit, seed):
        time.sleep(random.random() / 2000)
        return [unit]

    def close(self):
        pass

def stop(*_):
    raise KeyboardInterrupt

signal.signal(signal.SIGALRM, stop)
random.seed(1)
whole = stopped = 0
for _ in range(600):
    done = []
    try:
        signal.setitimer(signal.ITIMER_REAL, 1e-4 + random.random() / 100)
        done += [unit for unit, _ in run(range(40), 1, "", 3, judges=lambda level: Quick())]
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        stopped += 1
    else:
        whole += sorted(done) == list(range(40))
print(whole, stopped)
"""


def test_a_scheduler_that_is_interrupted_at_any_moment_ends():
    """Six hundred times, of which a wait for futures, which holds their locks, did not survive."""
    said = subprocess.run([sys.executable, "-c", INTERRUPTED], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert said.returncode == 0, said.stderr
    whole, stopped = map(int, said.stdout.split())
    assert whole + stopped == 600
    assert min(whole, stopped) > 30
