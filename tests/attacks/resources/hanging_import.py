"""Resources: an import that never ends; what stands above it is graded, what stands below is not there.

expect: compute_alpha_bar fail|timeout
expect: forward_step pass
"""

import time

def compute_alpha_bar(betas):
    return betas


time.sleep(1e6)
