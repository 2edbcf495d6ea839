"""Package sources that lie, are silent, or are gone: never "up to date" (F07, F08, F11)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.archive import scenarios
from tests.archive.hosts import use_script
from tests.archive.server import Archive
from tests.archive.suite import Suite
from tests.faults.conftest import MakeSite
from tests.faults.site import Site

PAST = datetime.now(UTC) - timedelta(days=9)


def security(release: str, **fields: Any) -> Suite:
    return Suite(release, scenarios.security_update().security, security=True, **fields)


def away(archive: Archive, release: str) -> None:
    archive.refuse()


def moved(archive: Archive, release: str) -> None:
    archive.withdraw(security(release))


def frozen(archive: Archive, release: str) -> None:
    archive.publish(security(release, date=PAST, valid_until=PAST + timedelta(days=7)))


def unsigned(archive: Archive, release: str) -> None:
    archive.publish(security(release, signed=False))


def stranger(archive: Archive, release: str) -> None:
    archive.publish(security(release, signer=archive.keys.make("stranger")))


def portal(archive: Archive, release: str) -> None:
    archive.corrupt("InRelease")


@pytest.mark.parametrize("host", ["app1", "db1"])
def test_a_source_that_gives_no_good_answer_makes_the_host_unknown(site: MakeSite, host: str) -> None:
    here = site(scenarios.security_update(), host)
    here.invoke("patch.plan")  # now the host has good old lists, on which apt alone would go on
    release = here.hosts[host]
    for break_it, state, verdict in (
        (moved, "gone", "end-of-life"),
        (unsigned, "unsigned", "unknown"),
        (stranger, "key", "unknown"),
        (frozen, "expired", "unknown"),
        (portal, "failed", "unknown"),
        (away, "unreachable", "unknown"),
    ):
        found = after(here, host, release, break_it)
        states = {source["state"] for source in found["sources"]} - {"answered"}
        assert (states, found["verdict"]) == ({state}, verdict), break_it.__name__
        here.archive.serve()
        scenarios.publish(here.archive, scenarios.security_update())
    assert here.version(host, "alpha") == scenarios.OLD


def after(here: Site, host: str, release: str, break_it: Callable[[Archive, str], None]) -> dict[str, Any]:
    break_it(here.archive, release)
    plan = here.plan()
    assert plan["actions"]["hosts"] == {}
    found: dict[str, Any] = plan["observations"][host]
    return found


def test_nothing_pending_is_not_said_where_it_is_not_known(site: MakeSite) -> None:
    here = site(scenarios.security_update(), "app1")
    here.archive.refuse()
    printed = here.invoke("patch", "--yes", code=1)
    assert "unreachable" in printed
    assert "No security updates are pending" not in printed
    assert here.records() == []


def test_an_expired_key_is_named(site: MakeSite) -> None:
    here = site(scenarios.security_update(), "db1")
    expired = here.archive.keys.make("expired", expires=PAST)
    here.archive.publish(security("trixie", signer=expired))
    sources = here.plan()["observations"]["db1"]["sources"]
    assert {source["state"] for source in sources} == {"answered", "key"}
    assert any(expired.signing_id in source["detail"] for source in sources)


def test_f08_a_key_that_soon_expires_is_warned_of(site: MakeSite) -> None:
    here = site(scenarios.security_update(), "app1", "db1")
    soon = here.archive.keys.make("soon", expires=datetime.now(UTC) + timedelta(days=10), subkey=True)
    for host, release in here.hosts.items():
        here.run_on(host, use_script(here.archive.url, release, [here.archive.key, soon]))
        here.archive.publish(security(release, signer=soon))
    for host, seen in here.plan()["observations"].items():
        assert seen["verdict"] == "pending"
        warned = [line for line in seen["warnings"] if "expires on" in line]
        assert [f"{here.hosts[host]}-security expires on" in line for line in warned] == [True], seen["warnings"]
