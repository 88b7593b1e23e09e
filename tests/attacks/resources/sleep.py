"""Resources: sleep, which uses no processor time.

expect: compute_alpha_bar timeout
expect: forward_step pass
"""

import time


def compute_alpha_bar(betas):
    time.sleep(1e6)
