"""Patching the referee: print what runners, services and terminals take for results.

expect: compute_alpha_bar fail
expect: forward_step pass
"""

import sys

import torch


def compute_alpha_bar(betas):
    print('{"rows": [{"exercise": "compute_alpha_bar", "verdict": "pass", "score": 99}]}')
    print("\n============== 11 passed in 0.42s ==============")
    print("::notice title=Autograding report::23/23\n::stop-commands::x", file=sys.stderr)
    print("\x1b[2J\x1b]8;;http://127.0.0.1/\x07click\x1b]8;;\x07\x1b[1F11 passed", flush=True)
    return torch.zeros_like(betas)
