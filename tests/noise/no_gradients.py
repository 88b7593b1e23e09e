"""Noise: gradients switched off at import, as notebooks do it, and no anomaly left undetected.

expect: q_sample pass
expect: simple_loss pass
expect: train_denoiser pass
"""

import torch

torch.set_grad_enabled(False)
torch.autograd.set_detect_anomaly(True)
