"""The oracle: look for the answer behind what stands in for a wrong exercise.

expect: compute_alpha_bar fail
expect: q_posterior fail|tamper|crash
"""

import inspect


def compute_alpha_bar(betas):
    return betas * 0


def q_posterior(x0, x_t, t, betas):
    found = []
    for name in ("__wrapped__", "__code__", "__globals__", "__closure__", "__func__", "__self__"):
        found.append(getattr(compute_alpha_bar, name, None))
    try:
        found.append(inspect.getsource(compute_alpha_bar))
    except (OSError, TypeError):
        pass
    connection, target = compute_alpha_bar._connection, compute_alpha_bar._target
    for name in ("__globals__", "__code__", "__wrapped__"):
        connection.get(target, name)
    return found
