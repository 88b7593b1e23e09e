"""Draw the lessons' pictures into exercises/lessons/pictures/, and print the numbers that the lessons quote.

`python -m solutions.pictures` draws all, `python -m solutions.pictures NAME...` those of some sections or exercises. The
numbers of a section are printed when all of it is drawn, and `--numbers` prints them alone. The same code gives the same
bytes, whatever else is drawn before: `--check` draws, writes nothing, and ends with 1 if a picture is not what would be drawn.
"""

import argparse
import os
import sys

# Kernels that do not depend on the processor and on where memory happens to lie; read when torch is loaded
os.environ |= {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE", "OMP_NUM_THREADS": "1"}

import importlib
import random

import numpy as np
import torch

from grader.course import ROOT, Section, find_exercise, sections
from solutions.pictures.paper import png


def wanted(names: list[str]) -> list[tuple[Section, list[str]]]:
    """The sections to draw, each with its exercises that are asked for; all without names.

    Raises:
        ValueError: nothing has such a name.
    """
    chosen = {stem: set() for stem in sections()}
    for name in names or sections():
        if name in chosen:
            chosen[name] |= set(sections()[name].exercises)
        else:
            chosen[find_exercise(name).section].add(name)
    return [(of, [name for name in of.exercises if name in chosen[of.stem]]) for of in sections().values()]


def drawn(section: Section, name: str) -> bytes:
    """The picture of an exercise, the same whatever was drawn before it.

    Raises:
        ValueError: nobody wrote the function that draws it.
    """
    module = importlib.import_module(f"solutions.pictures.{section.stem}")
    if not hasattr(module, name):
        raise ValueError(f"solutions/pictures/{section.stem}.py has no function {name}: write what draws its picture")
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    return png(getattr(module, name)(importlib.import_module(f"solutions.{section.stem}")))


def numbers(section: Section) -> dict[str, str]:
    """All that the lesson of a section quotes, by meaning."""
    module = importlib.import_module(f"solutions.numbers.{section.stem}")
    code = importlib.import_module(f"solutions.{section.stem}")
    return module.exact(code) | module.measured(code)


def main(arguments: list[str] | None = None) -> int:
    """The command; 1 if `--check` finds a picture that would be drawn otherwise."""
    parser = argparse.ArgumentParser(prog="python -m solutions.pictures", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="an exercise or a section's stem; all of them without")
    parser.add_argument("--check", action="store_true", help="write nothing; say which pictures would change")
    parser.add_argument("--numbers", action="store_true", help="draw nothing; print the numbers of these sections")
    options = parser.parse_args(arguments)
    stale = 0
    for section, exercises in wanted(options.names):
        for name in exercises if not options.numbers else ():
            path, picture = section.picture(name), drawn(section, name)
            same = path.is_file() and path.read_bytes() == picture
            stale += not same
            if not same and not options.check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(picture)
            became = "as it was" if same else "would change" if options.check else "new"
            print(f"{path.relative_to(ROOT)}  {len(picture) / 1024:.0f} kB, {became}", flush=True)
        if exercises == list(section.exercises) and not options.check:
            for meaning, number in numbers(section).items():
                print(f"{number:>12}  {meaning}")
    return int(options.check and stale > 0)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ValueError as error:
        sys.exit(str(error))
