"""The tests of Unstatic; a package, so that no library's stray `tests` is found in its place."""
