"""Noise: code and an exit under `if __name__ == "__main__"`, and one for everybody else.

expect: forward_step pass
expect: compute_alpha_bar pass
"""

import sys


def main():
    raise RuntimeError("only when it is run as a program")


if __name__ == "__main__":
    main()
    sys.exit(1)
if __name__ != "__main__":
    print(__name__, __file__)
