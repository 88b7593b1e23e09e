"""Given code: what the exercises may use and need not write.

Imported by its own name: `check(q_sample)` of notebooks (`exercises.toolkit.checking`), pictures (`exercises.toolkit.plots`), real digits (`.mnist`), the training loop (`.training`), and
what judges digits (`.judging`).
"""

from exercises.toolkit.extract import extract
from exercises.toolkit.metrics import sliced_wasserstein
from exercises.toolkit.moons import beaded_moons, two_moons, two_moons_log_density

__all__ = ["beaded_moons", "extract", "sliced_wasserstein", "two_moons", "two_moons_log_density"]
