"""Given code: what the exercises may use and need not write."""

from exercises.toolkit.extract import extract

__all__ = ["extract"]
