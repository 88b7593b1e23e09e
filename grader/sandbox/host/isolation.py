"""What this machine can do to keep submissions in, found out by trying.

The layers, from the outermost:

    bwrap      bubblewrap: own namespaces, only the needed files, no network, no environment, no capabilities
    landlock   the kernel's own fence: no other files, no TCP, no signals to processes outside
    seccomp    no system calls that honest code does not need, no sockets but unix ones
    cgroup     one cap on memory and processes for a jail as a whole, and of the processor as much as another jail has

A level is layers joined by "+", such as "bwrap+landlock"; "none" means that nothing but resource limits is in the way.
Without bwrap or landlock the other layers keep nobody in, and the level is "none".
"""

import importlib.util
import json
import os
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache

from grader.sandbox.host import cgroup
from grader.sandbox.host.command import command, environment, layers_of

LAYERS = ("bwrap", "landlock", "seccomp", "cgroup")
PROBE_SECONDS = 60


NEEDS = (
    "Grading needs Linux, since each submission is kept in by means that only its kernel has: on Windows use WSL, "
    "on macOS a container or a virtual machine; learning (`unstatic check`, `pytest exercises`) works here."
)


def unsupported() -> str:
    """Why nothing can be graded on this system, and what to do; "" where it can."""
    there = hasattr(os, "fork") and hasattr(socket, "AF_UNIX")
    there = there and all(importlib.util.find_spec(name) is not None for name in ("fcntl", "resource"))
    return "" if sys.platform == "linux" and there else NEEDS


class Refused(Exception):
    """The machine cannot isolate as much as is asked for."""


@dataclass(frozen=True)
class Machine:
    """What was found out.

    Attributes:
        layers: those that work.
        reasons: why another does not, by layer.
    """

    layers: tuple[str, ...]
    reasons: dict[str, str]

    @property
    def level(self) -> str:
        walls = {"bwrap", "landlock"} & set(self.layers)
        return "+".join(self.layers) if walls else "none"


@cache
def machine() -> Machine:
    """Try every layer on this machine."""
    layers, reasons = _probe("bwrap+landlock+seccomp")
    if "bwrap" not in layers:
        inner, others = _probe("landlock+seccomp")
        layers, reasons = inner, {**others, "bwrap": reasons.get("bwrap", "it does not start")}
    if why := cgroup.available():
        reasons["cgroup"] = why
    else:
        layers = [*layers, "cgroup"]
    return Machine(tuple(layer for layer in LAYERS if layer in layers), reasons)


def choose(least: str = "none") -> str:
    """The most isolation that works here.

    Raises:
        ValueError: `least` is no level.
        Refused: a layer that `least` names does not work here; the message says why.
    """
    wanted = parse(least)
    found = machine()
    if lacking := [layer for layer in wanted if layer not in found.layers or found.level == "none"]:
        why = "; ".join(
            f"{layer}: {found.reasons.get(layer, 'it needs bwrap or landlock beside it')}" for layer in lacking
        )
        raise Refused(f"this machine isolates at level {found.level!r}, and {least!r} is asked for. {why}")
    return found.level


def parse(level: str) -> list[str]:
    """The layers that a level names.

    Raises:
        ValueError: it is no level; the message says what is one.
    """
    layers = layers_of(level)
    if unknown := [layer for layer in layers if layer not in LAYERS]:
        raise ValueError(
            f"{'+'.join(unknown)!r} is no isolation; give 'none', or of {', '.join(LAYERS)} what is to be, joined by '+'"
        )
    return layers


def _probe(level: str) -> tuple[list[str], dict[str, str]]:
    """Which of a level's layers work together here, and why the others do not."""
    first = layers_of(level)[0]
    if sys.platform != "linux":
        return [], dict.fromkeys(layers_of(level), "it exists on Linux only")
    with tempfile.TemporaryDirectory(prefix="unstatic-") as scratch:
        try:
            done = subprocess.run(
                command(level, "walls", "probe", scratch),
                capture_output=True,
                text=True,
                timeout=PROBE_SECONDS,
                stdin=subprocess.DEVNULL,
                env=environment(scratch),
            )
        except FileNotFoundError:
            return [], {first: f"{first} is not installed"}
        except (OSError, subprocess.TimeoutExpired) as error:
            return [], {first: str(error)}
    try:
        said = json.loads(done.stdout)
        return said["layers"], said["reasons"]
    except (ValueError, KeyError, TypeError):
        return [], {first: (done.stderr.strip().splitlines() or ["it does not start, and does not say why"])[-1]}
