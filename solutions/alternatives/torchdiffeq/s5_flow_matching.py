"""Different: torchdiffeq's fixed-step solvers walk along the flow, and straightness is read off a finer path of theirs."""

import torch
from torchdiffeq import odeint


def _path(velocity, noise, steps, method):
    times = torch.arange(steps + 1, dtype=torch.float64) / steps

    def slope(t, x):
        return velocity(x, t.to(x.dtype).expand(len(x)).clone())

    with torch.no_grad():
        return odeint(slope, noise.detach(), times.to(noise.dtype), method=method)


def euler_sample(velocity, noise, steps):
    return _path(velocity, noise, steps, "euler")[-1]


def midpoint_sample(velocity, noise, steps):
    return _path(velocity, noise, steps, "midpoint")[-1]


def reflow_pairs(velocity, noise, steps):
    return noise, _path(velocity, noise, steps, "euler")[-1]


def straightness(velocity, noise, steps):
    path = _path(velocity, noise, steps, "euler")
    slopes = path.diff(dim=0) * steps
    return (path[-1] - path[0] - slopes).square().flatten(2).sum(2).mean()
