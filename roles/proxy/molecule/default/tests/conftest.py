"""Hosts are tested side by side, the tests of one host one after another: they restart what others would meet."""

import pytest


# Before xdist looks at the marks.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Keep a host's tests together."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(str(item.callspec.params["_testinfra_host"])))
