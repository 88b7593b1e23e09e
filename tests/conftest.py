"""One thread for torch: the tests share their machine. And which tests a worker of pytest-xdist keeps together."""

import pytest
import torch

torch.set_num_threads(1)

BY_SECTION = ("misconception", "check", "stem", "path", "exercise")
"""Parameters of the tests of the course that say which section a test is about."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With --dist loadgroup a file stays together, for its judge is warm; the course's own tests go by section."""
    for item in items:
        group = item.path.stem
        if group == "test_course":
            group = f"{group}-{_section(item)}"
        item.add_marker(pytest.mark.xdist_group(group))


def _section(item: pytest.Item) -> str:
    given = getattr(getattr(item, "callspec", None), "params", {})
    for name in BY_SECTION:
        value = given.get(name)
        stem = getattr(value, "section", None) or getattr(value, "stem", None) or value
        if isinstance(stem, str):
            return stem
    return ""
