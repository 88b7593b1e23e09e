"""Resources: have the check's model compute what it must keep for gradients, until the judge's memory is full to the last byte.

expect: simple_loss memory|timeout
expect: forward_step pass
"""

import torch


def simple_loss(model, x0, t, noise, alpha_bar):
    size = 1 << 22
    while True:
        x = torch.zeros(size, dtype=torch.float64, requires_grad=True)
        try:
            model(x, t[:1].expand(size))
        except Exception:
            size = max(size // 2, 1)
