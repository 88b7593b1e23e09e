"""The text of one section as it was handed in, decoded and known to be Python."""

import codecs
import hashlib
import io
import re
import tokenize
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from grader.intake import mistaken, notebooks, scripts
from grader.intake.names import suffix_of
from grader.intake.syntax import CONFLICT, Compiler, conflict, written_for
from grader.intake.trees import MIB, Refused, Tree
from grader.intake.visible import one_line

LIMITS = {
    ".py": MIB,  # thirty times a long section with its comments
    ".ipynb": 20 * MIB,  # a notebook carries the pictures that it drew
}
"""The largest file that is read as a section, by what it is."""


@dataclass(frozen=True)
class Source:
    """The text of one section.

    Attributes:
        filename: what tracebacks call it: the section's stem with `.py`, or with `.ipynb` for a notebook.
        text: the module, with newlines as LF and without a byte order mark. Compile it as a str: an encoding that it
            declares was the file's, not the text's.
        kind: what it was read from.
        digest: SHA-256 of the file's bytes, in hex.
        cells: a notebook's code cells and the lines where they are, also of one that was saved as a script; empty for a module.
        unread: a notebook's cells that could not be read.
        note: what was done to a module's text, if anything was.
        path: the file on disk that it was read from, or the archive; None of a part of a class download.
    """

    filename: str
    text: str
    kind: Literal["module", "notebook"]
    digest: str
    cells: tuple[notebooks.Cell, ...] = ()
    unread: tuple[notebooks.Unread, ...] = ()
    note: str = ""
    path: Path | None = None

    def place(self, line: int) -> str:
        """A line of the text in its author's terms: "line 12", or "cell 3, line 2"."""
        return Places(self.layout).told(line)

    @property
    def layout(self) -> tuple[tuple[int, int, int], ...]:
        """The cells as plain numbers: which, its first and its last line."""
        return tuple((cell.number, cell.line, cell.last) for cell in self.cells)

    def lost(self, names: Iterable[str]) -> dict[str, str]:
        """Of these names, those that a cell would have defined which cannot be read, with the sentence on that."""
        return {name: cell.note for name in names for cell in self.unread if name in cell.defines}


@dataclass(frozen=True)
class Places:
    """Lines of a text in its author's terms.

    Attributes:
        cells: each cell's number, first and last line; none of a module. A cell that is numbered by its first line is a
            script's, whose author counts the lines of the file.
    """

    cells: Sequence[Sequence[int]] = ()

    def told(self, line: int) -> str:
        """A line as its author counts: "line 12", or "cell 3, line 2"."""
        before = [cell for cell in self.cells if cell[1] <= line]
        if not before or before[-1][0] == before[-1][1]:
            return f"line {line}"
        return f"cell {before[-1][0]}, line {line - before[-1][1] + 1}"


def load(tree: Tree, place: tuple[str, ...], compiler: Compiler) -> Source:
    """The file at `place`; a module is not yet known to be Python.

    Raises:
        Refused: it is no text, or no notebook.
        OSError: the system says no.
    """
    name, shown = place[-1], one_line(place[-1])
    suffix = suffix_of(name)
    data = tree.read(place, LIMITS[suffix])
    digest = hashlib.sha256(data).hexdigest()
    if notebooks.is_one(data) or (suffix == ".ipynb" and not _is_module(data, shown, compiler)):
        notebook = notebooks.read(data, shown, compiler)
        return Source(
            name, notebook.text, "notebook", digest, notebook.cells, notebook.unread, path=tree.on_disk(place)
        )
    return Source(name, decode(data, shown), "module", digest, path=tree.on_disk(place))


def finish(source: Source, stem: str, compiler: Compiler) -> Source:
    """The source as that of section `stem`.

    Raises:
        Refused: it is not Python.
    """
    if source.kind == "notebook":  # its cells are known to be Python by now
        return replace(source, filename=f"{stem}.ipynb")
    script = scripts.read(source.text, one_line(source.filename), compiler)
    if problem := script.problem:
        if line := conflict(source.text):
            raise Refused(f"{one_line(source.filename)} is not valid Python, line {line}: {CONFLICT}")
        where = source.place(problem.line)
        said = one_line(problem.message, 200) + written_for(problem, source.text)
        raise Refused(f"{one_line(source.filename)} is not valid Python, {where}: {said}")
    return replace(source, filename=f"{stem}.py", text=script.text, cells=script.cells, note=script.note)


_CODE = re.compile(r"^(?:def|class|import|from) \w", re.MULTILINE)


def _is_module(data: bytes, shown: str, compiler: Compiler) -> bool:
    """Whether what is called a notebook is a module that was given its ending."""
    if data[:100].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        return False
    try:
        text = decode(data, shown)
    except Refused:
        return False
    return _CODE.search(text) is not None and compiler.problem(text) is None


_NO_TEXT = {"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape"}
"""Codecs that Python has beside the encodings of files. Two of them take time that grows with the square of the text."""


def decode(data: bytes, shown: str) -> str:
    """The text of a module, in UTF-8 or in the encoding that its first lines declare (PEP 263).

    Raises:
        Refused: it is in neither.
    """
    if what := mistaken.begins(data):
        raise Refused(f"{shown or 'this'} is not a Python module: {what}")
    encoding = "utf-8"
    try:
        encoding = tokenize.detect_encoding(io.BytesIO(data).readline)[0]
        if codecs.lookup(encoding).name in _NO_TEXT:
            raise LookupError
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Refused(_not_text(data, error.start, shown, encoding)) from error
    except (SyntaxError, LookupError) as error:
        try:
            data.decode()
        except UnicodeDecodeError as bad:
            raise Refused(_not_text(data, bad.start, shown, encoding)) from error
        raise Refused(f"{shown or 'this file'} declares an encoding that is not known; save it as UTF-8") from error
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def first_undecodable(data: bytes) -> int:
    """The line of the first byte that is not UTF-8; 1 if all are."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return _line_of(data, error.start)
    return 1


def _line_of(data: bytes, position: int) -> int:
    return len(re.findall(rb"\r\n|\r|\n", data[:position])) + 1


def _not_text(data: bytes, position: int, shown: str, encoding: str) -> str:
    line = _line_of(data, position)
    what = "UTF-8" if encoding.startswith("utf-8") else f"in the encoding that it declares ({one_line(encoding)})"
    return f"{shown}: line {line} is not {what}: save it as UTF-8"
