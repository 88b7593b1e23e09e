"""What is handed in for a module or a notebook and is neither: what it is, by its name or how it begins, and what to do."""

from collections.abc import Iterable

from grader.intake.visible import one_line

TOLD = 2
"""Kinds of files that a sentence tells of."""

_ARCHIVE = "hand in the files themselves, or a zip archive of them"
_CODE = "hand in the module (.py) or the notebook (.ipynb) itself"
_KINDS = (
    ((".rar",), "a RAR archive, which is not opened", _ARCHIVE),
    ((".7z",), "a 7z archive, which is not opened", _ARCHIVE),
    ((".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".zipx"), "an archive that is not opened", _ARCHIVE),
    ((".pdf",), "a PDF document", _CODE),
    ((".doc", ".docx", ".odt", ".rtf", ".pages"), "a document of a word processor", _CODE),
    ((".png", ".jpg", ".jpeg", ".gif", ".heic", ".webp", ".bmp", ".tiff"), "a picture", _CODE),
    ((".html", ".htm", ".mhtml"), "a web page", _CODE),
    ((".md", ".rmd", ".qmd"), "text in Markdown", _CODE),
    ((".eml", ".msg"), "an e-mail", "save what is attached to it, and hand that in"),
    ((".url", ".webloc", ".lnk", ".desktop", ".gdoc"), "a link, and links are never followed", _CODE),
    ((".crdownload", ".part", ".download"), "a download that did not end", "save it again"),
    ((".pyc",), "a module in Python's own form", _CODE),
)
_BEGINS = {
    b"PK\x03\x04": "it is a zip archive",
    b"%PDF": "it is a PDF document",
    b"\xff\xfe": "it is saved as UTF-16; save it as UTF-8",
    b"\xfe\xff": "it is saved as UTF-16; save it as UTF-8",
    b"<!DOCTYPE": "it is a web page; download the file itself",
    b"<html": "it is a web page; download the file itself",
    b"version https://git-lfs": "it is a pointer of Git LFS; commit the file itself, without LFS",
}


def begins(data: bytes) -> str:
    """What a file is, going by how it begins, and what to do; "" if that tells nothing."""
    return next((what for start, what in _BEGINS.items() if data.startswith(start)), "")


def kind_of(name: str) -> tuple[str, str] | None:
    """What a file is that goes by this name, and what its sender can do; None if the name does not tell."""
    ending = "." + name.lower().rpartition(".")[2]
    return next(((what, remedy) for endings, what, remedy in _KINDS if ending in endings), None)


def told(names: Iterable[str]) -> str:
    """What files of these names are, and what to do; "" if no name tells."""
    first: dict[tuple[str, str], str] = {}
    for name in names:
        if kind := kind_of(name):
            first.setdefault(kind, name)
    return "; ".join(f"{one_line(name, 40)} is {what}: {remedy}" for (what, remedy), name in list(first.items())[:TOLD])
