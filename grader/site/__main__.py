"""`python -m grader.site [DIR]`: build the site, into site/ if no folder is named."""

import argparse
import sys
from pathlib import Path

from grader.site.build import NotInstalled, build, told
from grader.site.places import SITE


def main(arguments: list[str] | None = None) -> int:
    """The command; 2 if what builds the site is not installed."""
    parser = argparse.ArgumentParser(prog="python -m grader.site", description="Build the course's site.")
    parser.add_argument("folder", nargs="?", type=Path, default=SITE, metavar="DIR")
    options = parser.parse_args(arguments)
    try:
        print(told(build(options.folder.resolve())))
    except NotInstalled as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
