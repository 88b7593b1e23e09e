"""Resources: an import that never ends.

expect: compute_alpha_bar timeout
expect: forward_step timeout
"""

import time

time.sleep(1e6)
