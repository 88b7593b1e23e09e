"""`python -m grader` is `unstatic`."""

import sys

from grader.cli import main

sys.exit(main())
