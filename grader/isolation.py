"""What this machine can do to keep submissions in, found out by trying.

    bwrap    bubblewrap: own namespaces, only the needed files, no network, no environment, no capabilities
    none     a plain subprocess with resource limits: nothing keeps the submission from the machine
"""

import subprocess
import sys
from functools import cache

from grader.jail import probe_command

LEVELS = ("none", "bwrap")
"""From the least to the most."""
PROBE_SECONDS = 60


class Refused(Exception):
    """This machine cannot isolate as much as is asked for."""


def choose(least: str = "none") -> str:
    """The most isolation that works here.

    Raises:
        Refused: it is less than `least`; the message says what is lacking.
    """
    why = ""
    for level in reversed(LEVELS):
        works, said = probe(level)
        if works:
            if LEVELS.index(level) < LEVELS.index(least):
                raise Refused(f"this machine isolates at level {level!r}, and {least!r} is asked for: {why}")
            return level
        why = said
    raise Refused(f"no jail starts on this machine: {why}")


@cache
def probe(level: str) -> tuple[bool, str]:
    """Whether a jail at this level starts here; if not, why, in words."""
    if level == "bwrap" and sys.platform != "linux":
        return False, "bubblewrap exists on Linux only"
    try:
        done = subprocess.run(
            probe_command(level), capture_output=True, text=True, timeout=PROBE_SECONDS, stdin=subprocess.DEVNULL, env={}
        )
    except FileNotFoundError as error:
        return False, f"{error.filename} is not installed (Debian and Ubuntu: apt install bubblewrap)"
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, str(error)
    return done.returncode == 0, (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
