"""Numerics: the check's process and its class changed, so that a loss without noise is what they make of it.

section: s3_score_sde
expect: dsm_loss fail
expect: score_from_eps pass
"""

import sys

import torch


def nothing(self, t, like):
    column = torch.zeros(len(t), *[1] * (like.ndim - 1), dtype=like.dtype)
    return column, column


def dsm_loss(model, x0, t, noise, sde):
    for name, module in list(sys.modules.items()):
        if name.endswith("toolkit.processes"):
            module.Drain.marginal = module.Bent.marginal = nothing
            module.FADING = module.GROWING = module.Bent()
    for name in getattr(type(sde), "__dataclass_fields__", ()):
        object.__setattr__(sde, name, 0.0)
    mean_coef, std = sde.marginal(t, x0)
    score = model(mean_coef * x0 + std * noise, t)
    return (std * score + noise).square().mean()
