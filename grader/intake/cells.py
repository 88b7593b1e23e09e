"""A notebook's cell as Python: what only IPython understands stands as the call that IPython makes of it, or is left out.

Every line of a cell keeps its place. A cell is kept as it is if it is Python. If not, the lines that the compiler objects to
are looked at: `!ls` becomes `get_ipython().system('ls')`, whose stand-in in the jail does nothing.
"""

import re
from dataclasses import dataclass

from grader.intake.syntax import Compiler, SyntaxProblem

REPLACEMENTS = 200
"""Lines of a cell that may be magics. Each costs one more compilation."""
BODY_MAGICS = {
    "time",
    "timeit",
    "capture",
    "prun",
    "memit",
    "mprun",
    "matplotlib",
    "debug",
    "lprun",
    "snakeviz",
    "wandb",
}
"""Cell magics that run their cell as Python in the notebook's own process. Others (%%bash, %%html, %%writefile) do not."""
AUTOMAGIC = re.compile(
    r"(alias|autoreload|bookmark|cat|cd|clear|colors|conda|cp|debug|dhist|dirs|doctest_mode|edit|env|history|less|ll|ls|lsmagic|man"
    r"|matplotlib|mkdir|mv|notebook|pdb|pip|popd|precision|psource|pushd|pwd|pycat|pylab|quickref|recall|reset|rm|rmdir|run"
    r"|time|timeit|unalias|uv|who|whos)(?![\w.])(?! *[=!()<>,+*/%^&|])"
)
"""What IPython takes for a magic without its % where a cell is one line."""

REMEDIES = (
    ("U+00A0", "a no-break space stands there, as web pages have it: delete it and type a space"),
    ("non-printable", "a character that cannot be seen stands there: delete it and type the line again"),
    ("invalid character", "type that character again: it looks like one of Python's and is another"),
    ("inconsistent use of tabs", "indent with spaces only"),
)
MEND = "mend the cell, and see that the notebook runs from top to bottom (Restart and run all)"


@dataclass(frozen=True)
class OtherLanguage:
    """A cell that is not Python's: %%bash, %%writefile and the like."""

    magic: str


def remedy(problem: SyntaxProblem) -> str:
    """What to do about a cell that cannot be read."""
    return next((what for sign, what in REMEDIES if sign in problem.message), MEND)


def as_python(source: str, compiler: Compiler) -> list[str] | SyntaxProblem | OtherLanguage:
    """The lines of a cell as Python, as many as they were; none if it is empty."""
    lines = _without_prompts(source.split("\n")) if source.strip() else []
    first = next((index for index, line in enumerate(lines) if line.strip()), 0)
    if lines and lines[first].startswith("%%"):
        magic, _, rest = lines[first].removeprefix("%%").partition(" ")
        if magic not in BODY_MAGICS:
            return OtherLanguage(magic)
        lines[first] = _captured(rest) if magic == "capture" else f"pass  # {lines[first]}"
    _automagic(lines)
    for _ in range(REPLACEMENTS):
        problem = compiler.problem("\n".join(lines), cell=True)
        if problem is None:
            return lines
        if not _replace(lines, problem.line - 1):
            return problem
    return SyntaxProblem(1, f"more than {REPLACEMENTS} of its lines are magics or shell commands")


# Matched against hostile text: no two repetitions that stand side by side can match the same character.
_MAGIC = re.compile(r"(?P<indent>\s*)(?:[%!?]|\S+\?\s*$)")
_TIMED = re.compile(r"(?P<start>\s*(?:\w[\w., ]*=\s*)?)%time\s+(?P<statement>\S.*)")
_ASSIGNED = re.compile(r"(?P<start>\s*\w[\w., \[\]'\"]*=\s*)(?P<sign>[%!])(?P<command>.*)")
_PROMPT = re.compile(r"(?:>>>|\.\.\.)(?: |$)|In \[\d{1,6}\]: ?| *\.\.\.\.*: ?")
_CALLED = "get_ipython()."


def _without_prompts(lines: list[str]) -> list[str]:
    """Without the prompts of a session that was copied, and the indentation that all lines have: IPython drops both."""
    first = next(line for line in lines if line.strip())
    if _PROMPT.match(first):
        return [line[found.end() :] if (found := _PROMPT.match(line)) else line for line in lines]
    indent = first[: len(first) - len(first.lstrip(" \t"))]
    return [line.removeprefix(indent) for line in lines] if indent else lines


def _captured(rest: str) -> str:
    """What stands for `%%capture out`: the name that takes what was printed."""
    names = [word for word in rest.split() if word.isidentifier()]
    return f"{names[0]} = {_CALLED}run_line_magic('capture', '')" if names else "pass  # %%capture"


def _automagic(lines: list[str]) -> None:
    """Leave out the only line of a cell if it is a magic without its sign, such as `ls -la`."""
    told = [index for index, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")]
    if len(told) != 1:
        return
    if AUTOMAGIC.match(lines[told[0]].strip()):
        lines[told[0]] = f"pass  # {lines[told[0]].strip()}"


def _replace(lines: list[str], index: int) -> bool:
    """Make Python of the magic at `index`, and of the lines it continues on; False if it is no magic."""
    line = lines[index] if 0 <= index < len(lines) else ""
    if timed := _TIMED.match(line):
        lines[index] = f"{timed['start']}{timed['statement']}"
    elif assigned := _ASSIGNED.match(line):
        lines[index] = assigned["start"] + _call(assigned["sign"], assigned["command"])
    elif magic := _MAGIC.match(line):
        lines[index] = f"{magic['indent']}pass  # {line.strip()}"
    else:
        return False
    while line.endswith("\\") and index + 1 < len(lines):
        index, line = index + 1, lines[index + 1]
        lines[index] = f"# {line}"
    return True


def _call(sign: str, command: str) -> str:
    """What IPython makes of `!command` or `%name rest` where its value is taken."""
    command = command.rstrip("\\").strip()
    if sign == "!":
        return f"{_CALLED}getoutput({command!r})"
    name, _, rest = command.partition(" ")
    return f"{_CALLED}run_line_magic({name!r}, {rest!r})"
