"""Pauses put before every read and write of ours: the trial of what a busy machine does to a grading.

Off, unless the environment variable UNSTATIC_PAUSES gives the longest pause in seconds; one read or write in ten then waits
for a time drawn anew. Nothing may come out otherwise for it but the time it takes.
"""

import os
import random
import time

VARIABLE = "UNSTATIC_PAUSES"
SHARE = 0.1


def _longest() -> float:
    try:
        return max(0.0, float(os.environ.get(VARIABLE, "0")))
    except ValueError:
        return 0.0


LONGEST = _longest()
_draws = random.Random()
"""Of its own: nobody's draws depend on it. A fork goes on from its parent's state, which does no harm."""


def pause() -> None:
    """Wait, if this is a trial, every now and then."""
    if LONGEST and _draws.random() < SHARE:
        time.sleep(_draws.uniform(0, LONGEST))
