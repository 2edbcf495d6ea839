"""The one suite for lab and production: what is expected stands in the inventory that pytest is given.

Read-only. Started by `invoke verify`, and by Molecule in the scenario of the role base.
"""

import json
from collections.abc import Generator
from pathlib import Path

import pytest
from testinfra.host import Host

from tests.host.expectations import Expected, expected

lost: dict[str, str] = {}
"""Hosts that did not answer, so that each costs one time limit only."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--results", help="file that gets a JSON line for each check when it is done")


@pytest.fixture(scope="module")
def wanted(host: Host) -> Expected:
    """What the inventory says of this host."""
    return expected(host.ansible.get_variables())


def pytest_runtest_setup(item: pytest.Function) -> None:
    if name_of(item) in lost:
        pytest.fail(lost[name_of(item)], pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write the check's sentence, its host and what was seen, once for each check."""
    report = yield
    results = item.config.getoption("--results")
    if call.excinfo and call.excinfo.errisinstance(RuntimeError):
        lost[name_of(item)] = str(call.excinfo.value)
    if results and (report.when == "call" or report.failed) and not report.skipped:
        with Path(results).open("a") as file:
            file.write(json.dumps(line(item, call, report.passed)) + "\n")
    return report


def name_of(item: pytest.Function) -> str:
    """Return the host that a check looks at."""
    return str(item.callspec.params["_testinfra_host"].backend.host)


def line(item: pytest.Function, call: pytest.CallInfo[None], passed: bool) -> dict[str, object]:
    """Return the result of one check as data; ``reached`` is false where the host did not answer."""
    seen = str(call.excinfo.value).split("\n")[0] if call.excinfo else ""
    sentence = str(item.function.__doc__).split("\n")[0].rstrip(".")
    name = name_of(item)
    return {"host": name, "check": sentence, "passed": passed, "reached": name not in lost, "seen": seen[:500]}
