"""Resources: a loop without an end that takes no notice of signals and interrupts.

expect: compute_alpha_bar timeout
expect: forward_step pass
"""

import signal


def compute_alpha_bar(betas):
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, lambda *args: None)
    while True:
        try:
            while True:
                pass
        except BaseException:
            continue
