"""Ending the process: leave with success while the module is imported.

expect: compute_alpha_bar crash
expect: forward_step crash
"""

import os

os._exit(0)
