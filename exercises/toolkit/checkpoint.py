"""A training on disk: all that decides how it goes on."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Generator

REMEDY = "delete it to start afresh, or name another file"


@dataclass
class Checkpoint:
    """The file at `path` and what it is of.

    Attributes:
        path: the file; its folder is made when it is first written.
        kept: models and optimisers, anything with `state_dict` and `load_state_dict`.
        generator: the training's own source of randomness; torch's global ones, of dropout, are kept beside it.
        steps: how many the training has in all.
    """

    path: Path
    kept: Mapping[str, Any]
    generator: Generator
    steps: int

    def write(self, step: int) -> None:
        """Write the state after this step: all of it or, if anything happens meanwhile, what was there before."""
        state = {name: part.state_dict() for name, part in self.kept.items()}
        state |= {
            "step": step,
            "steps": self.steps,
            "generator": self.generator.get_state(),
            "global": _global_states(),
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_name(f"{self.path.name}.{os.getpid()}.part")
        try:
            with beside.open("wb") as file:
                torch.save(state, file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)
        finally:
            beside.unlink(missing_ok=True)

    def resume(self) -> int:
        """Put the state back, if there is one; returns the number of steps that are done.

        Raises:
            ValueError: the file is damaged, or of another training.
        """
        if not self.path.exists():
            return 0
        state = self._read()
        if state["steps"] != self.steps:
            raise ValueError(f"{self.path} is of a training of {state['steps']} steps, not {self.steps}: {REMEDY}")
        try:
            for name, part in self.kept.items():
                part.load_state_dict(state[name])
        except (KeyError, RuntimeError, ValueError) as error:
            raise ValueError(f"{self.path} is of the training of another model: {REMEDY}") from error
        self.generator.set_state(state["generator"])
        _restore(state["global"])
        return state["step"]

    def _read(self) -> dict[str, Any]:
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            lacking = {"step", "steps", "generator", "global"} - state.keys()
        except OSError:
            raise
        except Exception as error:  # torch raises as many kinds as there are ways to damage a file
            raise ValueError(f"{self.path} is damaged: {REMEDY}") from error
        if lacking:
            raise ValueError(f"{self.path} is no checkpoint of a training: {REMEDY}")
        return state


def _global_states() -> list[torch.Tensor]:
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [])]


def _restore(states: list[torch.Tensor]) -> None:
    torch.set_rng_state(states[0])
    if torch.cuda.is_available() and len(states) == torch.cuda.device_count() + 1:
        torch.cuda.set_rng_state_all(states[1:])
