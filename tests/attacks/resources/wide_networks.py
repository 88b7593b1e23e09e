"""Resources: networks of thousands of parameters, one after the other, all of which are compared before each message.

expect: TinyDenoiser fail|tamper
expect: forward_step pass
"""

import torch


class TinyDenoiser(torch.nn.Module):
    def __init__(self, dim=2, hidden=128):
        super().__init__()
        self.many = torch.nn.ParameterList(torch.nn.Parameter(torch.zeros(1)) for _ in range(7000))

    def forward(self, x, t):
        return x
