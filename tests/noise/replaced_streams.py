"""Noise: print and the streams replaced, a signal handler, an exit handler, a trace function, an empty environment.

expect: forward_step pass
expect: compute_alpha_bar pass
"""

import atexit
import builtins
import io
import os
import signal
import sys

said = builtins.print
builtins.print = lambda *args, **kwargs: said("[mine]", *args, **kwargs)
sys.stdout = io.StringIO()
sys.stderr.close()
signal.signal(signal.SIGTERM, lambda *args: sys.exit(0))
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
atexit.register(lambda: print("bye"))
sys.settrace(lambda frame, event, arg: None)
os.environ.clear()
os.chdir("/")
print("hello")
