"""The checks in a notebook: `check(q_sample)` of `exercises.toolkit.checking`, on what the notebook defines by now."""

from collections.abc import Mapping
from types import CodeType, ModuleType
from typing import Any

from grader.course import Exercise, find_exercise
from grader.desk import terminal
from grader.desk.progress import BLOCKED, FAIL, PASS, Progress


def check(answer: Any, defined: Mapping[str, Any] | None = None) -> None:
    """Print what `pytest exercises` would say of an answer.

    Args:
        answer: the learner's function or class; it is known by its name.
        defined: what the notebook defines, by name; by default what this process's notebook does.
    """
    try:
        exercise = find_exercise(getattr(answer, "__name__", ""))
    except ValueError:
        print("check(...) takes one of the exercises, as in check(q_sample): a function or class under its own name.")
        return
    print(verdict(exercise, _notebook() if defined is None else defined))


def verdict(exercise: Exercise, defined: Mapping[str, Any]) -> str:
    """What is to be said of an exercise whose answer, and whatever it uses, is among the names of a notebook."""
    module = ModuleType(f"exercises.{exercise.section}")
    module.__dict__.update({name: value for name, value in defined.items() if not name.startswith("__")})
    progress = Progress(modules={exercise.section: module}, files=_files(defined))
    standing = progress.attempt(exercise.name)
    mark = terminal.mark(standing.state).plain
    if standing.state == PASS:
        return f"{mark} {exercise.name} passes: {exercise.points:g} points"
    if standing.state == FAIL:
        return terminal.rendered(terminal.failure(progress, standing, place="in this notebook"), color=False).rstrip()
    if standing.state == BLOCKED:
        return f"{mark} {exercise.name} waits for {standing.waits_for}, which is not right yet: begin there"
    return f"{mark} {exercise.name} is still to be written"


def _notebook() -> dict[str, Any]:
    from IPython import get_ipython

    return get_ipython().user_ns


def _files(defined: Mapping[str, Any]) -> set[str]:
    """What the notebook's cells are called in tracebacks: where its functions come from."""
    owners = [value for value in defined.values() if getattr(value, "__module__", "") == "__main__"]
    functions = [inner for owner in owners for inner in (owner, *getattr(owner, "__dict__", {}).values())]
    codes = [getattr(function, "__code__", None) for function in functions]
    return {code.co_filename for code in codes if isinstance(code, CodeType)}
