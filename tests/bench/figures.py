"""The figures of the backup's benchmark: tables for docs/benchmarks.md, what was aimed at, all of it as data. Pure."""

import configparser
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.bench.meter import Reading
from tests.bench.report import mean

PLAIN, OURS = "pg_basebackup and tar", "pgBackRest"
FULL, RESTORE, INCREMENTAL = "full backup", "restore", "incremental backup"
FACTOR = 1.2
"""How much longer than the plain way a full backup and a restore may take."""

DRILL_SECONDS = 60
SETTINGS = ("process-max", "compress-type", "compress-level", "repo1-bundle", "repo1-block", "repo1-cipher-type")
"""What is told of pgBackRest's configuration: what a figure depends on, and no secret."""


@dataclass(frozen=True)
class Measured:
    """One step, done once in one way; *bytes* is what it has written where it writes to."""

    step: str
    way: str
    reading: Reading
    bytes: int

    def line(self) -> str:
        return (
            f"{self.step}, {self.way}: {self.reading.clock:.1f} s, {self.reading.hosts:.1f} processor s on hosts, "
            f"{self.bytes / 1e6:.0f} MB; others took {self.reading.others_share:.0%} of the machine"
        )


@dataclass(frozen=True)
class Drilled:
    """One drill: from the typed command to its verdict, and the steps on the host alone, by the record."""

    reading: Reading
    steps_seconds: int
    members: int

    def line(self) -> str:
        return (
            f"drill: {self.reading.clock:.1f} s, of which {self.steps_seconds} s on the host; "
            f"others took {self.reading.others_share:.0%} of the machine"
        )


@dataclass(frozen=True)
class Target:
    """What was aimed at, and what was measured."""

    name: str
    value: float
    most: float

    @property
    def met(self) -> bool:
        return self.value <= self.most


def pick(measured: Sequence[Measured], step: str, way: str = OURS) -> list[Measured]:
    return [one for one in measured if (one.step, one.way) == (step, way)]


def clocks(measured: Sequence[Measured]) -> list[float]:
    return [one.reading.clock for one in measured]


def ratio(measured: Sequence[Measured], step: str) -> float:
    """Return how many times as long as the plain way ours took, both by their means."""
    return mean(clocks(pick(measured, step))) / mean(clocks(pick(measured, step, PLAIN)))


def share(measured: Sequence[Measured], what: str) -> float:
    """Return what share of a full backup an incremental one took: of its ``seconds`` or its ``bytes``."""
    sums = [
        sum(one.reading.clock if what == "seconds" else one.bytes for one in pick(measured, step))
        for step in (INCREMENTAL, FULL)
    ]
    return sums[0] / sums[1]


def copies_targets(measured: Sequence[Measured]) -> list[Target]:
    return [
        Target(f"full backup / {PLAIN.split()[0]}", ratio(measured, FULL), FACTOR),
        Target("restore / copying back", ratio(measured, RESTORE), FACTOR),
    ]


def drill_targets(drilled: Sequence[Drilled]) -> list[Target]:
    """The longest counts: the promise is for each drill."""
    name = f"drill of {drilled[0].members} members, seconds"
    return [Target(name, max(one.reading.clock for one in drilled), DRILL_SECONDS)]


def cell(values: list[float], form: str = ".1f") -> str:
    """Return the mean, and the values that it is of where there are several."""
    if not values:
        return ""
    each = f" ({', '.join(f'{value:{form}}' for value in values)})" if len(values) > 1 else ""
    return f"{mean(values):{form}}{each}"


def copies_table(measured: Sequence[Measured]) -> list[str]:
    """Return a row per step: seconds, processor seconds, bytes."""
    seconds, stored = share(measured, "seconds"), share(measured, "bytes")
    changed = pick(measured, INCREMENTAL)
    others = mean([one.reading.others_share for one in measured])
    return [
        f"| | {PLAIN} | {OURS} | ratio |",
        "|---|---|---|---|",
        row("full backup, seconds", both(measured, FULL, clocks)),
        row("restore, seconds", both(measured, RESTORE, clocks)),
        f"| incremental backup, seconds | | {cell(clocks(changed))} | {seconds:.2f} of a full one |",
        row("full backup, processor seconds of the hosts", both(measured, FULL, processors)),
        row("restore, processor seconds of the hosts", both(measured, RESTORE, processors)),
        row("stored by a full one, MB", both(measured, FULL, megabytes)),
        f"| stored by an incremental one, MB | | {cell(megabytes(changed))} | {stored:.3f} of a full one |",
        f"| others, share of the machine | {others:.0%} | | |",
    ]


def both(
    measured: Sequence[Measured], step: str, values: Callable[[Sequence[Measured]], list[float]]
) -> tuple[list[float], list[float]]:
    """Return the values of *step*, of the plain way and of ours."""
    return values(pick(measured, step, PLAIN)), values(pick(measured, step))


def row(name: str, values: tuple[list[float], list[float]]) -> str:
    plain, ours = values
    return f"| {name} | {cell(plain)} | {cell(ours)} | {mean(ours) / mean(plain):.2f} |"


def processors(measured: Sequence[Measured]) -> list[float]:
    return [one.reading.hosts for one in measured]


def megabytes(measured: Sequence[Measured]) -> list[float]:
    return [one.bytes / 1e6 for one in measured]


def drill_table(drilled: Sequence[Drilled]) -> list[str]:
    return [
        f"| a drill of {drilled[0].members} members | seconds |",
        "|---|---|",
        f"| from the command to the verdict | {cell([one.reading.clock for one in drilled])} |",
        f"| its steps on the host | {cell([float(one.steps_seconds) for one in drilled], '.0f')} |",
        f"| others, share of the machine | {mean([one.reading.others_share for one in drilled]):.0%} |",
    ]


def targets_table(targets: Sequence[Target]) -> list[str]:
    rows = [f"| {one.name} ≤ {one.most:g} | {one.value:.2f} | {'met' if one.met else 'missed'} |" for one in targets]
    return ["| target | measured | |", "|---|---|---|", *rows]


def settings(text: str) -> list[str]:
    """Return those `SETTINGS` that a configuration of pgBackRest has, those of one command with its section."""
    parsed = configparser.ConfigParser(interpolation=None, strict=False)
    parsed.read_string(text)
    return [
        f"{'' if section == 'global' else f'[{section}] '}{name}={value}"
        for section in parsed.sections()
        for name, value in parsed[section].items()
        if name in SETTINGS
    ]


def as_data(measured: Sequence[Measured], drilled: Sequence[Drilled], targets: Sequence[Target]) -> dict[str, Any]:
    return {
        "measured": [asdict(one) for one in measured],
        "drills": [asdict(one) for one in drilled],
        "targets": [asdict(one) | {"met": one.met} for one in targets],
    }
