"""The figures as a table, with the ratios that are aimed at."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.meter import CORES, Reading

PHASES = ("start", "plan", "stage", "sign", "window", "verify", "record")


@dataclass(frozen=True)
class Run:
    """One way, measured once: what it took, in which phases, and the packages of each host before and after."""

    way: str
    reading: Reading
    phases: dict[str, float]
    before: dict[str, set[str]]
    after: dict[str, set[str]]

    def line(self) -> str:
        read, hosts = self.reading, len(self.after)
        phases = ", ".join(f"{name} {value:.1f}" for name, value in self.phases.items())
        return (
            f"{self.way}: {read.clock:.1f} s ({phases or 'all is window'}); processor seconds a host: controller "
            f"{read.controller / hosts:.2f}, host {read.hosts / hosts:.1f}; others took {read.others_share:.0%} of the machine"
        )


def report(command: str, names: Sequence[str], runs: list[Run]) -> None:
    """Print the table and the ratios, or fail because the two ways did not do the same."""
    same(runs)
    plain, ours = [run for run in runs if not run.phases], [run for run in runs if run.phases]
    print(f"\n{command}")
    print(f"{len(names)} hosts, {changed(runs[0])} package changes each, {CORES} cores, {len(ours)} rounds; means\n")
    for line in table(plain, ours, len(names)):
        print(line)
    for line in targets(plain, ours, len(names)):
        print(line)


def same(runs: list[Run]) -> None:
    for run in runs[1:]:
        for host, packages in run.after.items():
            assert packages == runs[0].after[host], f"{host}: {sorted(packages ^ runs[0].after[host])}"


def changed(run: Run) -> int:
    return len(next(run.after[host] - run.before[host] for host in run.after))


def table(plain: list[Run], ours: list[Run], hosts: int) -> list[str]:
    rows = [("all", clock(plain), clock(ours))]
    rows += [(name, None, mean([run.phases[name] for run in ours])) for name in PHASES]
    rows += [("controller, processor s a host", controller(plain) / hosts, controller(ours) / hosts)]
    rows += [("host, processor s a host", on_hosts(plain) / hosts, on_hosts(ours) / hosts)]
    rows += [("others, share of the machine", others(plain), others(ours))]
    head = ["| seconds | parallel ssh | invoke patch | ratio |", "|---|---|---|---|"]
    return head + [f"| {name} | {number(a)} | {number(b)} | {ratio(a, b)} |" for name, a, b in rows]


def targets(plain: list[Run], ours: list[Run], hosts: int) -> list[str]:
    window = mean([run.phases["window"] for run in ours]) / clock(plain)
    figures = [
        ("window / parallel ssh", window, 1.0),
        ("all / parallel ssh", clock(ours) / clock(plain), 1.15),
        ("controller, processor s a host", controller(ours) / hosts, 1.5),
    ]
    return [
        "",
        *(f"{name}: {value:.2f}, target {aim}: {'met' if value <= aim else 'MISSED'}" for name, value, aim in figures),
    ]


def clock(runs: list[Run]) -> float:
    return mean([run.reading.clock for run in runs])


def controller(runs: list[Run]) -> float:
    return mean([run.reading.controller for run in runs])


def on_hosts(runs: list[Run]) -> float:
    return mean([run.reading.hosts for run in runs])


def others(runs: list[Run]) -> float:
    return mean([run.reading.others_share for run in runs])


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def ratio(plain: float | None, ours: float) -> str:
    return "" if not plain else f"{ours / plain:.2f}"
