"""Draw every section's pictures into exercises/lessons/pictures/, and print the numbers that its lesson quotes.

`python -m solutions.pictures s4_fast_sampling` does so for the sections that are named.
"""

import importlib
import sys

import torch

from grader.course import ROOT, sections
from solutions.pictures.paper import save

torch.set_num_threads(1)  # the same pictures on every machine, as far as torch goes
for section in [sections()[stem] for stem in sys.argv[1:] or sections()]:
    code = importlib.import_module(f"solutions.{section.stem}")
    pictures = importlib.import_module(f"solutions.pictures.{section.stem}")
    for name in section.exercises:
        path = section.lesson.parent / "pictures" / section.stem / f"{name}.png"
        save(getattr(pictures, name)(code), path)
        print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1024:.0f} kB")
    numbers = importlib.import_module(f"solutions.numbers.{section.stem}")
    for meaning, number in (numbers.exact(code) | numbers.measured(code)).items():
        print(f"{number:>12}  {meaning}")
