"""What is in the restored database against what was, and a place that mails nobody."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.drill_world import NOON, application, contents, model, words

# What is in the database.


@pytest.mark.parametrize(
    ("before", "after", "faults"),
    [
        ({"t": 0}, {"t": 0}, []),
        ({"t": 1}, {"t": 0}, ["t is empty, and had 1 rows"]),
        ({"t": 99}, {"t": 1}, []),
        ({"t": 100}, {"t": 50}, []),
        ({"t": 100}, {"t": 49}, ["t has 49 rows, and had 100"]),
        ({"t": 100}, {"t": 200}, []),
        ({"t": 100}, {"t": 201}, ["t has 201 rows, and had 100"]),
        ({"t": 0}, {"t": 5000}, []),
        ({"t": 0}, {}, ["t is missing"]),
        ({"session": 500, "cache": 500}, {"session": 0, "cache": 0, "new": 0}, []),
        ({"session": 500}, {}, ["session is missing"]),
    ],
)
def test_rows_within_bounds(before: dict[str, int], after: dict[str, int], faults: list[str]) -> None:
    assert contents.judge_rows(before, after, ["session"], ["cache"]) == faults


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 10**6)))
def test_a_copy_that_is_equal_has_no_fault(counts: dict[str, int]) -> None:
    assert contents.judge_rows(counts, counts, [], []) == []


@given(st.integers(1, 10**9))
def test_no_table_with_rows_may_be_empty(before: int) -> None:
    assert contents.judge_rows({"t": before}, {"t": 0}, [], [])


def test_who_is_named_must_be_there() -> None:
    assert contents.judge_names("role", ["b", "a"], ["b", "c"]) == ["role a is missing"]
    assert contents.judge_names("extension", {"a": "1"}, {"a": "2"}) == []


@pytest.mark.parametrize(
    ("line", "fine"),
    [
        ("public.s|10|10|t", True),
        ("public.s|10|11|f", True),
        ("public.s|10|10|f", False),
        ("public.s|10|9|t", False),
        ("public.s||1|f", True),
        ("odd|name|5|4|t", False),
    ],
)
def test_a_sequence_goes_on_behind_its_column(line: str, *, fine: bool) -> None:
    assert (contents.judge_sequences([line]) == []) is fine


def test_a_sequence_is_not_behind_what_it_was() -> None:
    before = {"a": 5, "b": None, "c": 5, "d": 5}
    faults = contents.judge_values(before, {"a": 5, "b": None, "c": 4, "d": None})
    assert faults == ["c is at 4, and was at 5", "d is at None, and was at 5"]


def test_a_difference_from_newer_facts_proves_nothing() -> None:
    contents.settle([], NOON, NOON)
    with pytest.raises(model.Failed, match=r"^a, b\.$"):
        contents.settle(["a", "b"], NOON, NOON)
    with pytest.raises(model.Skipped, match="The facts are 60 s newer than the restored marker") as caught:
        contents.settle(["a"], NOON + timedelta(minutes=1), NOON)
    assert not caught.value.by_configuration


def test_not_more_than_a_few_are_named() -> None:
    assert words.some([*"abc"]) == "a, b, c"
    assert words.some([*"abcdefg"]) == "a, b, c, d, e and 2 more"


def test_the_last_word_on_a_member_counts_and_deleted_is_final() -> None:
    words = ["locked 4", "unlocked 4", "locked 17", "deleted 17", "unlocked 17", "locked 9~", "locked 5"]
    text = "".join(f"2026-11-28T01:02:03Z {word}\n" for word in words) + "2026-11-28T01:02:03Z locked 8"
    assert contents.final_states(text) == {4: "unlocked", 17: "deleted", 5: "locked"}
    assert contents.final_states("") == {}
    with pytest.raises(model.Failed, match="Line 1 of the ledger cannot be read"):
        contents.final_states("2026-11-28T01:02:03Z locked anna\n")


# A place that mails nobody.

HEADER = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
LOOPBACK = f"{'0' * 31}1 80 {'0' * 32} 00 {'0' * 32} 00000000 00000002 00000000 80200001       lo\n"


def test_a_place_without_a_network_has_no_way_out() -> None:
    assert application.ways_out(HEADER, LOOPBACK) == set()
    assert application.ways_out("", "") == set()


def test_any_other_route_is_one() -> None:
    assert application.ways_out(f"{HEADER}eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n", LOOPBACK) == {
        "eth0"
    }
    assert application.ways_out(HEADER, LOOPBACK + LOOPBACK.replace("lo\n", "wg0\n")) == {"wg0"}


def test_the_application_gets_no_program_for_mails_and_no_address_outside() -> None:
    text = application.application_settings('odd"name', 4711)
    assert 'net.configure_mail{ command = { "/bin/false" } }' in text
    assert r'dbname = "odd\"name"' in text
    assert "config.localhost = true\nconfig.port = 4711\n" in text
