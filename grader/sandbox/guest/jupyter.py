"""What a notebook finds around it in Jupyter and Colab, as stand-ins that do nothing: `display`, `get_ipython`, `google.colab`.

A learner's cells call them for what is seen on a screen or kept on a disk; no answer depends on what they give.
"""

import builtins
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

ABSENT = ("google.colab", "IPython", "ipywidgets")
"""Modules that are a notebook's surroundings, with all below them; whatever is installed where they run."""
RUN = ("time", "timeit", "capture", "prun")
"""Magics that run what follows them."""


class Nothing:
    """Takes any call, attribute, index and loop, and gives nothing."""

    def __call__(self, *args: Any, **kwargs: Any) -> "Nothing":
        return self

    def __getattr__(self, name: str) -> "Nothing":
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, key: Any) -> "Nothing":
        raise KeyError(key)

    def __setitem__(self, key: Any, value: Any) -> None: ...

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __enter__(self) -> "Nothing":
        return self

    def __exit__(self, *error: object) -> None: ...

    def __str__(self) -> str:
        return ""

    __repr__ = __str__


class Lines(list):
    """What a shell command printed, as IPython gives it: nothing."""

    n = s = nlstr = spstr = ""

    @property
    def l(self) -> "Lines":  # noqa: E743 - IPython calls it so
        return self

    def grep(self, *args: Any, **kwargs: Any) -> "Lines":
        return Lines()

    fields = sort = grep  # type: ignore[assignment]


class Shell(Nothing):
    """`get_ipython()`: shell commands and magics do nothing, but for those that run Python, such as %time."""

    def __init__(self, namespace: dict[str, Any], run: Callable[[str], Any]) -> None:
        self.user_ns = namespace
        self._run = run

    def system(self, command: str) -> int:
        return 0

    def getoutput(self, command: str, *args: Any, **kwargs: Any) -> Lines:
        return Lines()

    def run_line_magic(self, name: str, line: str = "", *args: Any, **kwargs: Any) -> Any:
        return self._run(line) if name == "time" and line.strip() else Nothing()

    def run_cell_magic(self, name: str, line: str, cell: str) -> Any:
        return self._run(cell) if name in RUN else Nothing()

    def magic(self, line: str) -> Any:
        name, _, rest = line.lstrip("%").partition(" ")
        return self.run_line_magic(name, rest)

    def run_cell(self, cell: str, *args: Any, **kwargs: Any) -> Any:
        return self._run(cell)

    def __bool__(self) -> bool:
        return True


class Surroundings(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules of `ABSENT`, each of which has whatever one looks for."""

    def __init__(self, shell: Shell, shadows: bool) -> None:
        self._shell, self._shadows = shell, shadows

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        ours = any(name == absent or name.startswith(f"{absent}.") for absent in ABSENT)
        if name == "google" or (ours and not self._shadows):  # google: the package that holds `colab`
            ours = not _found(name.partition(".")[0])
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if ours else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return Stage(spec.name, self._shell)

    def exec_module(self, module: ModuleType) -> None: ...


class Stage(ModuleType):
    """A module in which every name is there."""

    def __init__(self, name: str, shell: Shell) -> None:
        super().__init__(name)
        self.__path__: list[str] = []
        self.__all__: list[str] = []
        self._shell = shell

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return (lambda: self._shell) if name == "get_ipython" else Nothing()


def _found(name: str) -> bool:
    return importlib.machinery.PathFinder.find_spec(name) is not None


def surround(namespace: dict[str, Any], filename: str, *, shadows: bool = True) -> None:
    """Put the stand-ins where a notebook looks for them, or a script that was made of one.

    Args:
        namespace: where its code will run.
        filename: what tracebacks call it.
        shadows: whether they stand before what is installed.
    """

    def run(text: str) -> Any:
        try:
            code = compile(text, f"{filename}, in a magic", "eval", dont_inherit=True)
        except SyntaxError:
            code = compile(text, f"{filename}, in a magic", "exec", dont_inherit=True)
        return eval(code, namespace)

    shell = Shell(namespace, run)
    given = {"display": Nothing(), "get_ipython": lambda: shell}
    if shadows or not hasattr(builtins, "get_ipython"):
        namespace["__builtins__"] = {**vars(builtins), **given}
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, Surroundings)]
    sys.meta_path.insert(0, Surroundings(shell, shadows))
