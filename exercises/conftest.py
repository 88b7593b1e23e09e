"""`pytest exercises/`: the checks run on the learner's own modules, and what they find is told in the course's words."""

from grader.desk.plugin import *  # noqa: F403  the hooks and fixtures, and no others: __all__ names them there
