"""The step-count dial: quality against calls of the model, for every sampler of the course.

    found = list(readings(solved))        # solved: by section, the learner's functions that pass
    print(table(found, solved))
    poster(found, solved).savefig(...)

On two moons whose score is known exactly, so that all that is wrong is the sampler's doing, and on a small network that has
learned them.
"""

from exercises.dial.poster import poster
from exercises.dial.reading import Reading, readings, solvable, table

__all__ = ["Reading", "poster", "readings", "solvable", "table"]
