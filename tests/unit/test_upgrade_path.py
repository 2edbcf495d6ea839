"""The way of an upgrade over the scripts that a release ships."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.module_utils.bordbuch.schema_path import NoWay, edges, path, script

REAL = edges(
    f"core-update.v{one}-v{two}.sql"
    for one, two in (
        ("3.1.0", "3.2.0"), ("3.1.0", "3.2.1"), ("3.2.0", "3.2.1"), ("3.2.1", "3.2.2"), ("3.2.2", "4.0.0"),
        ("4.0.0", "4.1.0"), ("4.1.0", "4.2.0"), ("4.1.0", "4.2.1"), ("4.2.0", "4.2.1"), ("4.2.1", "4.2.2"),
    )
)  # fmt: skip

AVOID = frozenset({("4.1.0", "4.2.0")})


def test_the_way_is_the_shortest_and_leaves_out_what_cannot_work() -> None:
    assert path(REAL, "4.0.0", "4.2.2", AVOID) == [("4.0.0", "4.1.0"), ("4.1.0", "4.2.1"), ("4.2.1", "4.2.2")]
    assert path(REAL, "3.1.0", "3.2.2", AVOID) == [("3.1.0", "3.2.1"), ("3.2.1", "3.2.2")]
    assert path(REAL, "4.2.2", "4.2.2", AVOID) == []
    assert script(("4.2.1", "4.2.2")) == "core-update.v4.2.1-v4.2.2.sql"


@pytest.mark.parametrize(
    ("start", "end"), [("4.2.2", "4.0.0"), ("4.0.0", "4.2.0"), ("4.2.0-incomplete-update", "4.2.2")]
)
def test_where_no_script_leads_nothing_is_done(start: str, end: str) -> None:
    with pytest.raises(NoWay, match="no script leads"):
        path(REAL, start, end, AVOID)


def test_other_files_are_no_steps() -> None:
    assert edges(["core.sql", "core-update.v1.0-v1.1.sql.bak", "init.sql"]) == frozenset()


STEPS = st.frozensets(st.tuples(*[st.sampled_from([f"{n}.0" for n in range(8)])] * 2), max_size=20)


@given(STEPS, st.sampled_from(["0.0", "1.0"]), st.sampled_from(["6.0", "7.0"]))
def test_a_way_begins_and_ends_where_it_should_and_repeats_nothing(
    steps: frozenset[tuple[str, str]], start: str, end: str
) -> None:
    try:
        taken = path(steps, start, end, frozenset())
    except NoWay:
        return
    assert taken[0][0] == start
    assert taken[-1][1] == end
    assert all(one[1] == two[0] for one, two in pairwise(taken))
    assert set(taken) <= steps
    assert len({version for step in taken for version in step}) == len(taken) + 1
