"""Resources: output without an end of NULs, bytes that are no UTF-8, and letters that turn the line round.

expect: compute_alpha_bar output-limit
expect: forward_step pass
"""

import os


def compute_alpha_bar(betas):
    while True:
        os.write(2, b"\0\xff\xfe\x1b[2J\xe2\x80\xae" * 5000)
