"""Notes between checks: a folder that its owner may not enter, until its owner allows it again.

expect: forward_step pass
expect: compute_alpha_bar fail
"""

import os
import tempfile
from pathlib import Path

honest = forward_step
FOLDER = Path(tempfile.gettempdir(), "unstatic-attack")


def forward_step(x, beta, noise):
    if not FOLDER.exists():
        FOLDER.mkdir()
        (FOLDER / "note").write_text("seen")
        FOLDER.chmod(0)
    return honest(x, beta, noise)


def compute_alpha_bar(betas):
    if FOLDER.exists():
        FOLDER.chmod(0o700)
        if (FOLDER / "note").exists():
            return (1 - betas).cumprod(0)
    return betas
