"""Noise: files written and read in the working folder, the home folder and a temporary one, and left there.

expect: forward_step pass
expect: compute_alpha_bar pass
"""

import os
import tempfile
from pathlib import Path

import torch

honest = compute_alpha_bar
Path("log.txt").write_text("begun")
Path.home().joinpath(".cache").mkdir(exist_ok=True)


def compute_alpha_bar(betas):
    with tempfile.NamedTemporaryFile(delete=False) as file:
        torch.save(honest(betas), file)
    answer = torch.load(file.name)
    os.makedirs("runs/1", exist_ok=True)
    return answer
