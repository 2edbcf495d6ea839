"""The benchmark of backups, as far as it needs no host: its figures, its tables, what it tells of a configuration."""

import json
from pathlib import Path

import pytest

from tests.bench import backup, figures
from tests.bench.figures import FULL, INCREMENTAL, OURS, PLAIN, RESTORE, Drilled, Measured
from tests.bench.meter import Reading

ROOT = Path(__file__).resolve().parents[2]


def measured(step: str, way: str, clock: float, stored: int = 2_000_000_000) -> Measured:
    return Measured(step, way, Reading(clock=clock, hosts=2 * clock), stored)


def run(full: float = 11, restore: float = 25) -> list[Measured]:
    """Return two rounds: the plain way takes 8 and 12 seconds for a full backup, 20 for its way back."""
    return [
        measured(FULL, PLAIN, 8),
        measured(FULL, OURS, full, 200_000_000),
        measured(RESTORE, PLAIN, 20),
        measured(RESTORE, OURS, restore),
        measured(INCREMENTAL, OURS, full / 10, 4_000_000),
        measured(FULL, PLAIN, 12),
        measured(FULL, OURS, full, 200_000_000),
        measured(RESTORE, PLAIN, 20),
        measured(RESTORE, OURS, restore),
        measured(INCREMENTAL, OURS, full / 10, 4_000_000),
    ]


def test_ratios_are_those_of_the_means() -> None:
    assert figures.ratio(run(), FULL) == pytest.approx(1.1)
    assert figures.ratio(run(), RESTORE) == pytest.approx(1.25)
    assert figures.share(run(), "seconds") == pytest.approx(0.1)
    assert figures.share(run(), "bytes") == pytest.approx(0.02)


def test_a_target_is_missed_by_whoever_takes_longer() -> None:
    assert [one.met for one in figures.copies_targets(run())] == [True, False]
    assert [one.met for one in figures.copies_targets(run(full=12.1, restore=24))] == [False, True]


def test_the_longest_drill_counts() -> None:
    drilled = [Drilled(Reading(clock=clock), 30, 9000) for clock in (41.0, 60.5)]
    (target,) = figures.drill_targets(drilled)
    assert not target.met
    assert target.value == 60.5
    assert "| from the command to the verdict | 50.8 (41.0, 60.5) |" in figures.drill_table(drilled)


def test_tables_show_means_and_what_they_are_of() -> None:
    lines = figures.copies_table(run())
    assert "| full backup, seconds | 10.0 (8.0, 12.0) | 11.0 (11.0, 11.0) | 1.10 |" in lines
    assert "| stored by an incremental one, MB | | 4.0 (4.0, 4.0) | 0.020 of a full one |" in lines
    assert len({line.count("|") for line in lines}) == 1
    missed = [line for line in figures.targets_table(figures.copies_targets(run())) if line.endswith("| missed |")]
    assert missed == ["| restore / copying back ≤ 1.2 | 1.25 | missed |"]


def test_settings_are_told_and_no_secret() -> None:
    said = figures.settings("[global]\nrepo1-cipher-type=aes-256-cbc\nrepo1-cipher-pass=xyz%1\nprocess-max=2\n[main]\n")
    assert said == ["repo1-cipher-type=aes-256-cbc", "process-max=2"]
    assert figures.settings("[global]\n[global:restore]\nprocess-max=2\n") == ["[global:restore] process-max=2"]


def test_the_settings_that_are_told_are_those_that_the_role_writes() -> None:
    folder = ROOT / "roles/backup/templates"
    written = "".join((folder / name).read_text() for name in ("pgbackrest.conf.j2", "repositories.j2"))
    for name in ("process-max", "compress-type", "repo1-bundle", "repo1-block", "repo1-cipher-type"):
        assert name in figures.SETTINGS
        assert f"\n{name}=" in f"\n{written}"


def test_json_has_every_figure(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["backup", "--json"])
    backup.report(backup.arguments(), ["about"], run(), [])
    told = json.loads(capsys.readouterr().out)
    assert len(told["measured"]) == 10
    assert told["measured"][0]["reading"]["clock"] == 8
    assert [one["met"] for one in told["targets"]] == [True, False]


@pytest.mark.parametrize("words", [["--rounds", "0"], ["--rounds", "101"], ["--scale", "0"]])
def test_what_cannot_be_measured_is_refused(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["backup", *words])
    with pytest.raises(SystemExit) as ended:
        backup.arguments()
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("words", "copies", "drill"), [([], True, True), (["--drill"], False, True), (["--copies"], True, False)]
)
def test_without_a_word_everything_is_measured(
    words: list[str], copies: bool, drill: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["backup", *words])
    given = backup.arguments()
    assert (given.copies, given.drill) == (copies, drill)


def test_who_comes_first_changes_from_round_to_round(monkeypatch: pytest.MonkeyPatch) -> None:
    class Told:
        """Stands for the copies, and tells in which order they were asked for."""

        full = staticmethod(lambda: measured(FULL, OURS, 1))
        base = staticmethod(lambda: measured(FULL, PLAIN, 1))
        restore = staticmethod(lambda: measured(RESTORE, OURS, 1))
        copy_back = staticmethod(lambda: measured(RESTORE, PLAIN, 1))
        incremental = staticmethod(lambda: measured(INCREMENTAL, OURS, 1))
        changed: list[int] = []  # noqa: RUF012  one test, one use
        change = changed.append

    ways = [one.way for one in backup.rounds(Told, 2)]  # type: ignore[arg-type]  # a stand-in of the same shape
    assert ways == [OURS, PLAIN, OURS, PLAIN, OURS, PLAIN, OURS, PLAIN, OURS, OURS]
    assert Told.changed == [1, 2]
