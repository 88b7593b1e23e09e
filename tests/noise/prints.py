"""Noise: prints at import and in the function, warnings, logging, and a progress bar.

expect: forward_step pass
expect: compute_alpha_bar pass
"""

import logging
import sys
import warnings

logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
print("loading my solution …")
warnings.warn("beware", stacklevel=1)
honest = compute_alpha_bar


def compute_alpha_bar(betas):
    print(betas)
    logging.getLogger("mine").debug("called with %s", betas)
    sys.stderr.write("\r[####      ] 40%")
    warnings.warn("deprecated", DeprecationWarning, stacklevel=1)
    return honest(betas)
