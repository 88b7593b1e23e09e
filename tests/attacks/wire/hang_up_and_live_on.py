"""The wire: close the connection in each check, and live on.

expect: compute_alpha_bar crash|timeout
expect: forward_step pass
"""

import sys
import time


def compute_alpha_bar(betas):
    frame = sys._getframe()
    while frame.f_code.co_name != "serve_forever":
        frame = frame.f_back
    frame.f_locals["self"].channel.sock.close()
    time.sleep(100)
