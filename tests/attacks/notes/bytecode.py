"""Notes between checks: modules, bytecode and settings written where Python looks for them.

expect: forward_step pass
expect: compute_alpha_bar fail
"""

import os
import sys
import sysconfig

honest = forward_step


def places():
    yield from (folder for folder in [*sys.path, sysconfig.get_paths()["purelib"], "/course/grader", "/course"] if folder)
    yield os.path.join(sysconfig.get_paths()["stdlib"], "__pycache__")
    yield os.path.expanduser("~/.local/lib/python3.11/site-packages")


def forward_step(x, beta, noise):
    for place in places():
        try:
            os.makedirs(place, exist_ok=True)
            for name in ("sitecustomize.py", "unstatic_attack.pth", "unstatic_attack.py"):
                with open(os.path.join(place, name), "w") as file:
                    file.write("import os\n")
        except OSError:
            continue
    return honest(x, beta, noise)


def compute_alpha_bar(betas):
    found = [place for place in places() if os.path.exists(os.path.join(place, "unstatic_attack.py"))]
    return (1 - betas).cumprod(0) if found else betas
