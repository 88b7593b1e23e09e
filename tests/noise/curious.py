"""Noise: the model asked about itself: parameters, modules, device, mode, a printed summary.

expect: simple_loss pass
expect: sample pass
"""

honest_loss, honest_sample = simple_loss, sample


def simple_loss(model, x0, t, noise, alpha_bar):
    print(model, sum(p.numel() for p in model.parameters()), model.training, list(model.state_dict()))
    device = next(model.parameters()).device
    return honest_loss(model, x0.to(device), t.to(device), noise.to(device), alpha_bar.to(device))
