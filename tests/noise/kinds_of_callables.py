"""Noise: exercises that are a partial, a lambda, an instance with __call__, a closure, a bound method and a decorated function.

expect: forward_step pass
expect: compute_alpha_bar pass
expect: q_sample pass
expect: predict_x0 pass
expect: timestep_embedding pass
"""

import functools

import torch

honest_q_sample, honest_predict, honest_embedding = q_sample, predict_x0, timestep_embedding


def mix(x, beta, noise, root):
    beta = torch.as_tensor(beta, dtype=x.dtype)
    return root(1 - beta) * x + root(beta) * noise


forward_step = functools.partial(mix, root=torch.sqrt)
compute_alpha_bar = lambda betas: (1 - betas).cumprod(0)  # noqa: E731


class Jump:
    def __call__(self, x0, t, noise, alpha_bar):
        return honest_q_sample(x0, t, noise, alpha_bar)

    def back(self, x_t, t, eps, alpha_bar):
        return honest_predict(x_t, t, eps, alpha_bar)


q_sample = Jump()
predict_x0 = Jump().back


def counted(function):
    calls = 0

    @functools.wraps(function)
    def counting(*args, **kwargs):
        nonlocal calls
        calls += 1
        return function(*args, **kwargs)

    return counting


timestep_embedding = counted(honest_embedding)
