"""How tests are shared out among processes (`make test` runs two)."""

import pytest

_ESTATE = {"session_estate", "fresh", "terminal"}
"""Fixtures that stand on the one practice estate of a session."""


@pytest.hookimpl(tryfirst=True)  # the shares are read from the marks next
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that use the practice estate run in one process, and first; other modules stay whole."""
    for item in items:
        on_estate = _ESTATE.intersection(getattr(item, "fixturenames", ()))
        item.add_marker(pytest.mark.xdist_group("estate" if on_estate else item.nodeid.split("::")[0]))
    items.sort(key=lambda item: not _ESTATE.intersection(getattr(item, "fixturenames", ())))
