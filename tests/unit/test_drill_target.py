"""What a drill restores, and up to where: places in the log, backups, markers, what is promised, clocks."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.drill_world import NOON, SEGMENT, backup, check, marker, model, name_of, target, wal

positions = st.integers(1, 2**64 - 1)


# Places in the write-ahead log.


@given(positions)
def test_a_position_is_read_as_it_is_written(byte: int) -> None:
    assert wal.position(wal.as_lsn(byte)) == byte


@given(positions)
def test_a_record_that_ends_at_a_position_lies_in_the_segment_of_its_last_byte(byte: int) -> None:
    segment = wal.segment_before(byte)
    assert segment * SEGMENT < byte <= (segment + 1) * SEGMENT


@given(st.integers(1, 2**32 - 1), st.integers(0, 2**40 - 1))
def test_a_files_name_tells_its_number_on_every_time_line(timeline: int, segment: int) -> None:
    name = name_of(timeline, segment)
    assert (wal.segment_number(name), wal.file_name(timeline, segment)) == (segment, name)


@given(positions, positions)
def test_segments_are_in_the_order_of_positions(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert wal.segment_before(low) <= wal.segment_before(high)


@pytest.mark.parametrize(
    ("lsn", "name"),
    [
        ("0/1000000", "000000010000000000000000"),
        ("0/1000001", "000000010000000000000001"),
        ("0/3062F50", "000000010000000000000003"),
        ("0/FFFFFFFF", "0000000100000000000000FF"),
        ("1/0", "0000000100000000000000FF"),
        ("1/1", "000000010000000100000000"),
        ("3A/D000400", "000000020000003A0000000D"),
    ],
)
def test_known_places(lsn: str, name: str) -> None:
    assert wal.segment_before(wal.position(lsn)) == wal.segment_number(name)


@pytest.mark.parametrize("name", ["", "00000002.history", "000000010000000000000002.00000028.backup", "0" * 23])
def test_another_file_has_no_number(name: str) -> None:
    with pytest.raises(ValueError, match="no name of a WAL file"):
        wal.segment_number(name)


# Markers and the target.


def line(number: int, **more: Any) -> str:
    entry = {"number": number, "time": "2026-11-28T12:00:00Z", "lsn": "0/3000148", "point_lsn": "0/3000180"}
    return json.dumps({**entry, "seen": "2026-11-28T12:00:01Z", "highest": 9, **more})


def test_markers_are_read_and_what_was_cut_short_is_not() -> None:
    text = f'{line(2)}\n{line(1)}\n{{"number": 3~\n{line(4)[:20]}'
    found = target.parse_markers(text)
    assert [one.number for one in found] == [1, 2]
    assert found[0].point == 0x3000180
    assert found[0].seen - found[0].time == timedelta(seconds=1)


@pytest.mark.parametrize("wrong", ["{}", "[]", "x", line(1, lsn="none"), line(1, time="soon")])
def test_another_line_of_the_markers_is_said(wrong: str) -> None:
    with pytest.raises(model.Failed, match=r"^Line 2 of the recorded markers cannot be read"):
        target.parse_markers(f"{line(1)}\n{wrong}\n")


@given(st.lists(st.integers(1, 30), max_size=12))
def test_reachable_markers_grow_in_number_and_place_and_the_newest_is_one(segments: list[int]) -> None:
    markers = [marker(number, segment) for number, segment in enumerate(segments, 1)]
    found = target.reachable(markers)
    assert found == sorted(found, key=lambda one: one.number)
    assert [one.point for one in found] == sorted({one.point for one in found})
    assert found[-1:] == markers[-1:]


def test_markers_of_a_time_line_that_was_left_are_not_reachable() -> None:
    markers = [marker(1, 2), marker(2, 5), marker(3, 6), marker(4, 4), marker(5, 7)]
    assert [one.number for one in target.reachable(markers)] == [1, 4, 5]


def test_the_newest_marker_in_the_repository_is_the_target() -> None:
    markers = [marker(1, 2), marker(2, 9), marker(3, 10)]
    assert target.choose_marker(markers, backup()).number == 2


def test_the_last_byte_of_the_last_file_is_still_in_the_repository() -> None:
    last, beyond = marker(1, 9, point=10 * SEGMENT), marker(2, 9, point=10 * SEGMENT + 1)
    assert target.restorable([last, beyond], [backup()]) == [last]


@given(st.integers(1, 20), st.integers(1, 20), st.lists(st.integers(0, 25), min_size=1, max_size=8))
def test_a_target_lies_between_the_backups_end_and_the_repositorys(stop: int, last: int, segments: list[int]) -> None:
    markers = [marker(number, segment) for number, segment in enumerate(sorted(segments), 1)]
    one = backup(stop=stop, last=last)
    try:
        found = target.choose_marker(markers, one)
    except model.Failed:
        assert not any(stop <= segment <= last for segment in segments)
    else:
        assert wal.position(one.stop) <= found.lsn
        assert wal.segment_before(found.point) <= last


def test_without_a_marker_it_says_where_the_repository_ends_and_since_when_markers_are_newer() -> None:
    with pytest.raises(model.Failed) as caught:
        target.choose_marker([marker(1, 2), marker(2, 7), marker(3, 8)], backup(stop=3, last=5))
    assert str(caught.value) == (
        "Backup 20261128-110000F ends at 0/3000000, and no marker after that can be reached. The repository ends with WAL file "
        "000000010000000000000005; the markers since 2026-11-28T12:02:00Z (number 2) are newer. An old copy of the repository "
        "was put in place of the current one, or WAL is no longer archived."
    )


def test_a_repository_without_wal() -> None:
    with pytest.raises(model.Failed, match=r"The repository holds no WAL; the markers since .* \(number 1\) are newer"):
        target.choose_marker([marker(1, 2)], backup(last_wal=""))


TWO = [backup("20261128-090000F", minute=-180), backup("20261128-090000F_20261128-110000I", minute=-60)]


@pytest.mark.parametrize(
    ("label", "minutes", "expected"),
    [
        ("", None, "20261128-090000F_20261128-110000I"),
        ("20261128-090000F", None, "20261128-090000F"),
        ("", -90, "20261128-090000F"),
        ("random", -90, "20261128-090000F"),
        ("random", None, "20261128-090000F"),
    ],
)
def test_the_backup_that_is_chosen(label: str, minutes: int | None, expected: str) -> None:
    to = None if minutes is None else NOON + timedelta(minutes=minutes)
    assert target.choose_backup(TWO, label, to, lambda fitting: fitting[0]).label == expected


def test_a_backup_on_a_way_that_was_left_is_passed_over() -> None:
    """A restore went back to before the second backup: the log goes on from there."""
    both = [backup("20261128-090000F", stop=1, minute=-180), backup("20261128-110000F", stop=8, minute=-60)]
    assert target.followed(both, [marker(1, 2, minute=-170), marker(2, 9, minute=-50)]) == both
    went_back = [
        marker(1, 2, minute=-170),
        marker(2, 9, minute=-50),
        marker(3, 3, minute=-10),
        marker(4, 20, minute=-1),
    ]
    assert target.followed(both, went_back) == both[:1]
    assert target.followed(both[1:], went_back) == both[1:], (
        "where nothing else is there, it says why it cannot be followed"
    )
    assert target.followed(both, []) == both


@pytest.mark.parametrize(
    ("backups", "label", "minutes", "said"),
    [
        ([], "", None, "The repository has no backup."),
        (TWO, "20261127-090000F", None, "The repository has no backup 20261127-090000F; there: 20261128-090000F, 2"),
        (TWO, TWO[1].label, -90, f"no backup {TWO[1].label} that ended before 2026-11-28T10:30:00Z; there:"),
        (TWO, "", -300, "No backup ended before 2026-11-28T07:00:00Z; there: 20261128-090000F"),
        (TWO, "random", -300, "No backup ended before"),
    ],
)
def test_there_is_no_such_backup(backups: list[Any], label: str, minutes: int | None, said: str) -> None:
    to = None if minutes is None else NOON + timedelta(minutes=minutes)
    with pytest.raises(model.Failed) as caught:
        target.choose_backup(backups, label, to, lambda fitting: fitting[0])
    assert said in str(caught.value)


def test_a_time_can_be_reached_if_the_repository_goes_beyond_it() -> None:
    markers, now = [marker(1, 2), marker(5, 6), marker(9, 12)], NOON + timedelta(minutes=30)
    target.check_target(NOON + timedelta(minutes=4), now, markers, backup())
    with pytest.raises(
        model.Failed, match=r"12:05:00Z cannot be reached: the newest marker that can is of .*12:05:00Z"
    ):
        target.check_target(NOON + timedelta(minutes=5), now, markers, backup())
    with pytest.raises(model.Failed, match="is still to come"):
        target.check_target(now + timedelta(seconds=1), now, markers, backup())


@pytest.mark.parametrize(("number", "said"), [(6, ""), (5, "is 5, and the target was marker 6"), (7, "is 7, and the")])
def test_the_newest_marker_is_the_targets(number: int, said: str) -> None:
    check(lambda: target.judge_marker(number, NOON, marker(6, 3), None, 900), said)


@pytest.mark.parametrize(
    ("number", "minutes", "said"),
    [(6, 6, ""), (7, 7, ""), (5, 5, "older than"), (6, -10, "older than"), (8, 8, "which should end at")],
)
def test_recovery_to_a_time_has_a_marker_shortly_before_it(number: int, minutes: int, said: str) -> None:
    to = NOON + timedelta(minutes=7, seconds=30)
    check(lambda: target.judge_marker(number, NOON + timedelta(minutes=minutes), marker(6, 3), to, 900), said)


def test_recovery_to_a_time_from_which_no_marker_is_recorded() -> None:
    target.judge_marker(6, NOON, None, NOON + timedelta(seconds=900), 900)
    with pytest.raises(model.Failed, match="901 s older"):
        target.judge_marker(6, NOON, None, NOON + timedelta(seconds=901), 900)


# What is promised, and clocks.


def test_the_recovery_point_is_the_age_of_the_newest_marker_that_can_be_restored() -> None:
    markers = [marker(1, 2), marker(2, 9), marker(3, 10)]
    assert target.judge_point(markers, [backup()], NOON + timedelta(minutes=5), 900) == 180
    assert target.judge_point(markers, [backup()], NOON, 900) == 0


def test_an_old_copy_of_the_repository_is_told_by_its_end() -> None:
    markers = [marker(number, number) for number in range(1, 60)]
    with pytest.raises(model.Failed) as caught:
        target.judge_point(markers, [backup()], NOON + timedelta(minutes=59), 900)
    assert str(caught.value) == (
        "The newest marker that can be restored, number 9, was 3000 s old when the drill began; promised are 900 s. The "
        "repository ends with WAL file 000000010000000000000009; the markers since 2026-11-28T12:10:00Z (number 10) are newer. "
        "An old copy of the repository was put in place of the current one, or WAL is no longer archived."
    )


def test_a_daemon_that_has_stopped_is_told_from_an_old_copy() -> None:
    with pytest.raises(model.Failed, match="no marker is newer: the ledger's daemon sets none") as caught:
        target.judge_point([marker(1, 2)], [backup()], NOON + timedelta(hours=1), 900)
    assert "old copy" not in str(caught.value)


def test_no_marker_can_be_restored() -> None:
    with pytest.raises(model.Failed, match=r"^No marker can be restored\. .* An old copy of the repository"):
        target.judge_point([marker(1, 20)], [backup()], NOON, 900)


@given(st.integers(-3600, 3600), st.integers(0, 60))
def test_clocks_may_be_half_a_minute_apart(apart: int, later: int) -> None:
    one = marker(1, 2, seen=marker(1, 2).time + timedelta(seconds=apart))
    now = one.seen + timedelta(seconds=later)
    said = f"The clock of this host is off by {apart:+d} s" if abs(apart) > 30 else ""
    check(lambda: target.judge_clock(one, now, timedelta()), said)


@pytest.mark.parametrize("knew", [True, False])
@pytest.mark.parametrize("offset", [-600, 600])
def test_a_given_offset_counts_whether_the_daemon_knew_of_it_or_not(offset: int, *, knew: bool) -> None:
    wrong = timedelta(seconds=offset)
    one = marker(1, 2)
    if knew:
        one = marker(1, 2, seen=one.seen + wrong)
    with pytest.raises(model.Failed, match=f"off by {offset:+d} s".replace("+", r"\+")):
        target.judge_clock(one, NOON + timedelta(minutes=1) + wrong, wrong)


def test_a_marker_in_the_future_is_a_wrong_clock() -> None:
    with pytest.raises(model.Failed, match=r"Marker 1 is 60 s in the future: the clock of this host is off by -60 s"):
        target.judge_clock(marker(1, 2), NOON, timedelta())
