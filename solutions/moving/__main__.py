"""Make the numbers of the pictures that move: `python -m solutions.moving [NAME...]`, or `--check` that they are as they would be."""

import argparse
import json
import os
import sys

# Kernels that do not depend on the processor and on where memory happens to lie; read when torch is loaded
os.environ |= {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE", "OMP_NUM_THREADS": "1"}

import torch

from grader.course import ROOT
from solutions.moving.made import MADE

FOLDER = ROOT / "exercises" / "lessons" / "moving"


def text(name: str) -> str:
    """The file of one picture, the same whatever was made before it."""
    torch.manual_seed(0)
    return json.dumps(MADE[name](), separators=(",", ":"), sort_keys=True) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """The command; 1 if `--check` finds a file that would be another."""
    parser = argparse.ArgumentParser(prog="python -m solutions.moving", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MADE)}; all of them without")
    parser.add_argument("--check", action="store_true", help="write nothing; say which files would change")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(MADE):
        parser.error(f"no picture that moves is called {', '.join(sorted(unknown))}; there are {', '.join(MADE)}")
    torch.set_num_threads(1)
    stale = 0
    for name in options.names or MADE:
        path, made = FOLDER / f"{name}.json", text(name)
        same = path.is_file() and path.read_text(encoding="utf-8") == made
        stale += not same
        if not same and not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made, encoding="utf-8")
        became = "as it was" if same else "would change" if options.check else "new"
        print(f"{path.relative_to(ROOT)}  {len(made) / 1024:.0f} kB, {became}", flush=True)
    return int(options.check and stale > 0)


if __name__ == "__main__":
    sys.exit(main())
