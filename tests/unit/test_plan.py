"""From facts to a plan: verdicts, digest, waves."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.inventory import HostPolicy
from ops.logbook.model import Named, Plan, Source, Space
from ops.patch.facts import Obstacle
from ops.patch.judge import observe
from ops.patch.outcome import held
from ops.patch.plan import difference, make_plan
from ops.patch.waves import waves
from tests.unit.factories import HOSTS, NOW, archives, facts, inventory, package, plan, request


def source(state: str, **fields: object) -> Source:
    return Source.model_validate({"uri": "http://archive/", "suite": "stable", "state": state, **fields})


@pytest.mark.parametrize(
    ("seen", "verdict", "words"),
    [
        (facts(package()), "pending", ""),
        (facts(), "current", ""),
        (facts(leftovers=("0001",)), "needs-repair", "0001"),
        (facts(unfinished=(Named(name="a:amd64", detail="iF"),)), "needs-repair", "a:amd64 is iF"),
        (facts(archives=None, obstacle=Obstacle(kind="Busy", detail="held by apt (pid 7)")), "busy", "pid 7"),
        (facts(archives=None, obstacle=Obstacle(kind="Error", detail="broken")), "unknown", "broken"),
        (facts(archives=archives(sources=(source("unreachable", detail="no route"),))), "unknown", "no route"),
        (facts(archives=archives(sources=(source("key", detail="EXPKEYSIG 1234"),))), "unknown", "EXPKEYSIG 1234"),
        (facts(archives=archives(sources=(source("expired"),))), "unknown", "expired"),
        (facts(archives=archives(sources=(source("gone", detail="404"),))), "end-of-life", "404"),
        (facts(archives=archives(sources=())), "unknown", "no package source"),
        (
            facts(archives=archives(package(), space=(Space(path="/var", free_bytes=1, needed_bytes=2),))),
            "unknown",
            "/var",
        ),
        (
            facts(archives=archives(package(), not_staged=("http://archive/x.deb: Hash Sum mismatch",))),
            "unknown",
            "Hash Sum mismatch",
        ),
        (facts(checked_epoch=int(NOW.timestamp()) + 5 * 365 * 86_400), "end-of-life", "2028-06-30"),
    ],
)
def test_a_host_is_current_only_with_proof(seen: object, verdict: str, words: str) -> None:
    observed = observe(seen, HostPolicy())  # type: ignore[arg-type]  # parametrized
    assert (observed.verdict, words in " ".join(observed.reasons)) == (verdict, True)


def test_what_does_not_stop_a_plan_is_warned_of() -> None:
    seen = facts(
        clock_offset_seconds=-90,
        kernel_newest="6.1.0-2-amd64",
        automatic_updates="security-nightly",
        failed_units=("foo.service",),
        archives=archives(
            sources=(
                source("answered", valid_until=NOW + timedelta(days=1)),
                source("answered", key_known=True, key_valid_until=NOW + timedelta(days=20)),
                source("answered", key_known=True, key_valid_until=NOW + timedelta(days=40)),
            )
        ),
    )
    warnings = " ".join(observe(seen, HostPolicy()).warnings)
    for words in ("-90 s off", "6.1.0-2-amd64", "security-nightly", "foo.service has failed", "valid until 2026-11-26"):
        assert words in warnings
    assert ("expires on 2026-12-15" in warnings, "expires on 2027" in warnings) == (True, False)
    assert "when the keys of 1 sources expire is not known" in warnings


def test_the_same_state_gives_the_same_digest_whenever_and_whoever_asks() -> None:
    later = plan(id="2026-11-26-0900-aaaa", time=NOW + timedelta(hours=10), requester="bert")
    assert plan().digest == later.digest == later.computed_digest()


@given(st.sampled_from(["to_version", "sha256", "architecture", "origin", "file"]))
def test_any_other_package_gives_another_digest(field: str) -> None:
    other = package(**{field: "b" * 64})
    answers = {host: facts(other if host == "db1" else package()) for host in HOSTS}
    changed = make_plan(request(), inventory(patch_last_groups=["database"]), "security", answers, {})
    assert changed.digest != plan().digest
    assert difference(plan(), changed)


def test_an_unreachable_host_is_listed_and_goes_first_next_time() -> None:
    answers = {"app1": facts(package()), "db1": facts(package())}
    made = make_plan(request(), inventory(), "security", answers, {"backup1": "did not answer"}, frozenset({"db1"}))
    assert made.excluded == {"backup1": "unreachable: did not answer"}
    assert made.actions.waves[0] == ("db1",)


@given(
    st.lists(st.sampled_from([f"host{n}" for n in range(30)]), unique=True, min_size=1),
    st.lists(st.sampled_from([1, 2, "10%", "50%", "100%"]), min_size=1, max_size=4),
)
def test_every_host_is_in_exactly_one_wave(names: list[str], sizes: list[object]) -> None:
    made = waves(inventory((*names, "db1"), patch_waves=sizes, patch_last_groups=["database"]), (*names, "db1"))
    assert sorted(host for wave in made for host in wave) == sorted([*names, "db1"])
    assert made[-1] == ("db1",)


def test_a_plan_survives_its_file() -> None:
    assert Plan.model_validate_json(plan().model_dump_json()) == plan()


def test_a_hold_is_shown_with_the_inventorys_reason_or_that_there_is_none() -> None:
    seen = facts(archives=archives(holds=(Named(name="linux-image-amd64:amd64", detail="1 → 2"),)))
    assert held(observe(seen, HostPolicy()).holds[0]).endswith("no reason in the inventory")
    reasons = {"linux-image-amd64": "driver breaks, until 2026-12-01, anna"}
    assert held(observe(seen, HostPolicy(hold_reasons=reasons)).holds[0]).endswith("until 2026-12-01, anna")


def test_a_hold_has_the_age_of_the_first_plan_that_saw_it() -> None:
    seen = facts(archives=archives(holds=(Named(name="a:all", detail="1 → 2"), Named(name="b:all", detail="1 → 2"))))
    first = datetime(2026, 3, 1, tzinfo=UTC)
    holds = observe(seen, HostPolicy(), {"a:all": first}).holds
    assert [hold.since for hold in holds] == [first, NOW + timedelta(seconds=5)]
    assert "since 2026-03-01 at least" in held(holds[0])
