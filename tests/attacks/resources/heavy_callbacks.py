"""Resources: have the check's model do the work, on a large batch, again and again.

expect: simple_loss timeout|tamper|memory
expect: q_sample pass
"""

import torch


def simple_loss(model, x0, t, noise, alpha_bar):
    batch = torch.zeros(1 << 21, dtype=torch.float64)
    while True:
        model(batch, t)
