"""A reward's training: what it gave is remembered with its pictures, and told again while nothing has changed that it depends on."""

from pathlib import Path
from typing import Any

import pytest
import torch

from grader.course import ROOT, Section
from grader.desk import patience
from grader.desk.progress import Progress

LONG = ("slow", "gpu")
"""Marks of what runs only when it is asked for by name, `-m slow`; each says for how many seconds it may train: slow(patience=900)."""
LONG_TRAINING_THREADS = min(2, torch.get_num_threads())
"""For rewards that train on images for minutes. The small networks of the others gain nothing from a second thread, and where
the cores are busy with other things they wait for it ten times as long as they compute."""
PICTURES = ROOT / "pictures"
WHOLE = 2
"""So many times as long as its training may take a reward that is asked for: it trains a judge too, and draws."""


def seconds(item: pytest.Item) -> float:
    """How long a reward may take, 0 for as long as it takes. A limit below the usual one is meant for the checks."""
    limit = patience.limit()
    marks = [mark for name in LONG if (mark := item.get_closest_marker(name))]
    plan = WHOLE * max((mark.kwargs.get("patience", 0) for mark in marks), default=0)
    return limit and max(limit * patience.LONGER, plan * max(limit / patience.SECONDS, 1))


class Training:
    """A reward about to train; what it gave when all it depends on was the same is told again instead."""

    def __init__(self, item: pytest.Function, of: Section, progress: Progress, fresh: bool) -> None:
        self._item, self._of, self._memory = item, of, progress.memory
        self.threads = LONG_TRAINING_THREADS if any(item.get_closest_marker(mark) for mark in LONG) else 1
        # With other inputs for the checks nothing is remembered, nor which of them pass
        self._key = self._memory.key_of_reward(of, item.path, self.threads) if progress.remembers else ""
        self._before = _pictures()
        self.known = None if fresh else self._memory.reward(of, item.name, self._key)
        if self.known is not None:
            item.obj = self._tell_again

    def _tell_again(self, **given: Any) -> None:
        assert self.known is not None
        if self.known["outcome"] == "failed":
            raise AssertionError(self.known["says"])
        self._item.user_properties.append(("says", self.known["says"]))
        self._item.user_properties.append(
            ("says", "nothing has changed since, so it did not train again (--fresh does)")
        )

    def learn(self, outcome: str, says: str) -> None:
        """Remember what it gave, and the pictures that it drew."""
        if self.known is None and self._key:
            drawn = [path for path, stamp in _pictures().items() if self._before.get(path) != stamp]
            self._memory.learn_reward(self._of, self._item.name, self._key, outcome, says, drawn)


def _pictures() -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in PICTURES.glob("*.png")}
