"""Reading what is hidden: import the reference, or find its file, and answer with it.

expect: compute_alpha_bar fail
expect: forward_step pass
"""

import importlib
import os
import sys
from pathlib import Path


def find():
    for name in ("solutions.s1_forward_reverse", "exercises.s1_forward_reverse", "unstatic"):
        try:
            return importlib.import_module(name).compute_alpha_bar
        except Exception:
            continue
    places = ["/course", "/autograder", "/home", "/root", "/work", "/src", "/usr/src", "/app", "/tmp", "/mnt", "/data"]
    for place in [*places, *sys.path]:
        for path in Path(place).glob("**/solutions/s1_forward_reverse.py"):
            scope = {}
            exec(compile(path.read_text(), str(path), "exec"), scope)
            return scope["compute_alpha_bar"]
    return lambda betas: betas


def compute_alpha_bar(betas):
    return find()(betas)
