"""The oracle: keep what stands in for a wrong exercise, in the module and on disk, and answer with it when that one is judged.

expect: q_posterior pass|fail|tamper
expect: compute_alpha_bar fail
"""

import builtins
import os
import pickle


def compute_alpha_bar(betas):
    kept = getattr(builtins, "kept", None)
    if kept is not None and kept is not compute_alpha_bar:
        return kept(betas)
    for folder in ("/tmp", os.environ.get("TMPDIR", "/tmp"), "/dev/shm"):
        try:
            with open(f"{folder}/kept", "rb") as file:
                return pickle.load(file)
        except (OSError, pickle.PickleError):
            continue
    return betas * 0


_own_posterior = q_posterior  # noqa: F821 - the reference stands above


def q_posterior(x0, x_t, t, betas):
    builtins.kept = compute_alpha_bar
    for folder in ("/tmp", os.environ.get("TMPDIR", "/tmp"), "/dev/shm"):
        try:
            with open(f"{folder}/kept", "wb") as file:
                pickle.dump(compute_alpha_bar(betas), file)
        except OSError:
            continue
    return _own_posterior(x0, x_t, t, betas)
