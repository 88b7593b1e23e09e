"""The oracle: hand what stands in for a wrong exercise more work than an answer may take.

expect: q_sample fail
expect: simple_loss timeout|fail|memory
expect: forward_step pass
"""

import torch


def q_sample(x0, t, noise, alpha_bar):
    return x0


def simple_loss(model, x0, t, noise, alpha_bar):
    for size in (1 << 26, 1 << 20):
        try:
            while True:
                x = torch.zeros(size, 1)
                q_sample(x, torch.zeros(size, dtype=torch.int64), x, alpha_bar)
        except ValueError:
            continue
    return model(x0, t).mean()
