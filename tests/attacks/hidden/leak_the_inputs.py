"""Reading what is hidden: tell the inputs to the learner by output, by message and by exit status.

expect: q_sample crash
expect: forward_step pass
"""

import os
import sys


def q_sample(x0, t, noise, alpha_bar):
    print(x0.tolist(), file=sys.stderr)
    os._exit(int(alpha_bar.mean() * 100))
