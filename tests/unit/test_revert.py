"""A patch taken back, as far as it is decided without a host: what is asked for, what is shown, what apt is told."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.logbook.model import HostResult, PackageResult, Secured
from ops.patch import outcome, show
from ops.patch.plan import make_plan
from ops.patch.prepare import way_back
from playbooks.module_utils.bordbuch import unit
from tests.unit.factories import archives, facts, inventory, package, plan, request, result

SECURED = Secured(name="openssl", architecture="amd64", version="1", way="original", sha256="b" * 64)


def test_what_a_plan_replaced_is_asked_for_with_the_hash_of_its_file() -> None:
    answers = {"app1": facts(package(), archives=archives(package(), secured=(SECURED,)))}
    made = make_plan(request(), inventory(("app1",)), "security", answers, {})
    ((row,),) = way_back(made).values()
    assert (row["from_version"], row["to_version"]) == (package().from_version, package().to_version)
    assert row["sha256"] == SECURED.sha256


def test_a_version_that_was_not_secured_has_no_hash_to_go_by() -> None:
    assert {row["sha256"] for rows in way_back(plan()).values() for row in rows} == {""}


def test_no_way_back_is_said_before_the_patch() -> None:
    lost = SECURED.model_copy(update={"way": "none", "sha256": "", "detail": "dpkg-repack is not installed"})
    answers = {"app1": facts(package(), archives=archives(package(), secured=(lost,)))}
    made = make_plan(request(), inventory(("app1",)), "security", answers, {})
    assert "no way back for openssl (dpkg-repack is not installed)" in show.notes(made.observations["app1"])


def test_what_goes_is_shown_as_such_and_counts_as_done() -> None:
    goes = package("gamma", to_version=None, file="", sha256="")
    made = make_plan(request(kind="revert"), inventory(("app1",)), "security", {"app1": facts(goes)}, {})
    assert made.actions.kind == "revert"
    assert show.plan_columns(made)[-1] == "opens again"
    assert show.plan_rows(made)[0][3] == "goes"
    events = [
        result("app1", outcome.START),
        result("app1", outcome.WAIT),
        result("app1", outcome.GATE, package_states={"gamma:amd64": "removed"}),
    ]
    found = outcome.host_results(made, events)["app1"]
    assert [one.state for one in found.packages] == ["removed"]
    assert show.result_row("app1", found)[2] == "1 of 1"


@pytest.mark.parametrize(
    ("state", "came"), [("installed", True), ("removed", True), ("missing", False), ("failed", False)]
)
def test_a_result_says_whether_it_came(state: str, came: bool) -> None:
    one = PackageResult(name="a", architecture="all", from_version="1", to_version=None, state=state)
    assert HostResult(state="verified", packages=(one,)).packages[0].came is came


NAMES = st.lists(st.from_regex(r"[a-z][a-z0-9+.-]{1,12}:amd64", fullmatch=True), unique=True)


@given(paths=st.lists(st.just("/var/cache/apt/archives/a_1_all.deb"), max_size=3), going=NAMES)
def test_apt_may_remove_exactly_what_is_to_go(paths: list[str], going: list[str]) -> None:
    words = unit.apt_command(paths, going, 30, Path("/nowhere"), simulate=False)
    assert [word for word in words if word.endswith("-")] == [f"{name}-" for name in going]
    assert ("--no-remove" in words, "--purge" in words) == (not going, bool(going))
