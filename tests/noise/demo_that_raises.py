"""Noise: a demonstration at the bottom that prints results and then raises.

expect: forward_step pass
expect: compute_alpha_bar pass
expect: q_sample pass
"""

import torch

print(compute_alpha_bar(torch.linspace(1e-4, 0.02, 10)))
print(forward_step(torch.zeros(2, 2), 0.5, torch.ones(2, 2)))
with open("my_data.pt", "rb") as file:
    DATA = torch.load(file)
