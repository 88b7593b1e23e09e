"""Resources: wait for ever for what nobody writes, with a lock that nobody lets go.

expect: compute_alpha_bar timeout
expect: forward_step pass
"""

import os
import threading


def compute_alpha_bar(betas):
    threading.Thread(target=os.read, args=(os.pipe()[0], 1), daemon=True).start()
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()
