"""Noise: threads at import that go on, two threads for torch, and a parallel operation.

expect: forward_step pass
expect: compute_alpha_bar pass
"""

import threading
import time

import torch

torch.set_num_threads(2)
torch.randn(300, 300) @ torch.randn(300, 300)
threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
threading.Thread(target=lambda: [time.sleep(0.01) for _ in range(5)]).start()
