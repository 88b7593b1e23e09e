"""Patching the referee: put modules in place of the judge's, for it to import.

expect: compute_alpha_bar fail
expect: forward_step pass
"""

import sys
from types import ModuleType

import torch

for name in ("grader.judging.judge", "grader.checks", "grader.faults", "exercises.checks", "exercises.checks.expect", "pytest"):
    sys.modules[name] = module = ModuleType(name)
    module.close = module.tensor = module.verdict_of = lambda *args, **kwargs: "pass"


def compute_alpha_bar(betas):
    return torch.zeros_like(betas)
