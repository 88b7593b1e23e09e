"""`check(q_sample)` in a notebook: whether what you have written is right, at once."""

import importlib
import sys
from typing import Any


def check(answer: Any) -> None:
    """Run the checks of an exercise on what the notebook defines by now, and print what `pytest exercises` would say.

    Args:
        answer: the function or class that you have written, such as `q_sample`.
    """
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or type(shell).__module__.startswith("grader."):
        return  # no notebook, or what stands in for one where submissions are graded: there only the judge checks
    # By name, since given code must not need the desk
    importlib.import_module("grader.desk.in_notebook").check(answer)
