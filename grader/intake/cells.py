"""A notebook's cell as Python: what only IPython understands is taken out, and every line keeps its place."""

import re

from grader.intake.syntax import Compiler, SyntaxProblem

REPLACEMENTS = 200
"""Lines of a cell that may be magics. Each costs one more compilation."""
BODY_MAGICS = {"time", "timeit", "capture", "prun", "memit", "mprun", "matplotlib", "debug"}
"""Cell magics that run their cell as Python in the notebook's own process. Others (%%bash, %%html, %%writefile) do not."""


def as_python(source: str, compiler: Compiler) -> list[str] | SyntaxProblem:
    """The lines of a cell as Python, as many as they were; none if it is in another language or empty."""
    lines = source.split("\n") if source.strip() else []
    first = next((index for index, line in enumerate(lines) if line.strip()), 0)
    if lines and lines[first].startswith("%%"):
        if (re.findall(r"^%%(\w+)", lines[first]) or [""])[0] not in BODY_MAGICS:
            return []
        lines[first] = f"pass  # {lines[first]}"
    for _ in range(REPLACEMENTS):
        problem = compiler.problem("\n".join(lines))
        if problem is None:
            return lines
        if not _replace(lines, problem.line - 1):
            return problem
    return SyntaxProblem(1, f"more than {REPLACEMENTS} of its lines are magics or shell commands")


# Matched against hostile text: no two repetitions that stand side by side can match the same character.
_MAGIC = re.compile(r"(?P<indent>\s*)(?:[%!?]|\S+\?\s*$)")
_TIMED = re.compile(r"(?P<indent>\s*)%time\s+(?P<statement>.*)")
_ASSIGNED = re.compile(r"(?P<start>\s*\w[\w., ]*=\s*)[%!]")


def _replace(lines: list[str], index: int) -> bool:
    """Make Python of the magic at `index`, and of the lines it continues on; False if it is no magic."""
    line = lines[index] if index < len(lines) else ""
    if timed := _TIMED.match(line):
        lines[index] = f"{timed['indent']}{timed['statement']}  # %time"
    elif assigned := _ASSIGNED.match(line):
        lines[index] = f"{assigned['start']}None  # {line.strip()}"
    elif magic := _MAGIC.match(line):
        lines[index] = f"{magic['indent']}pass  # {line.strip()}"
    else:
        return False
    while line.endswith("\\") and index + 1 < len(lines):
        index, line = index + 1, lines[index + 1]
        lines[index] = f"# {line}"
    return True
