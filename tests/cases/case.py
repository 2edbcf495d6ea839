"""A case: what hosts told and what a run did, as files, and what plan, outcome and page come of them. Needs no host."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from ops import inventory as inventories
from ops.change.session import Session
from ops.inventory import Inventory
from ops.logbook.files import ChangeFiles, events_bytes, file_bytes
from ops.logbook.model import Approval, Event, Plan, Record, Start
from ops.logbook.operators import Operators
from ops.logbook.page import render_change
from ops.logbook.repository import Logbook
from ops.patch import apply, outcome, prepare, show
from ops.patch.plan import make_plan
from tests.unit import factories

HERE = Path(__file__).parent
GIVEN = ("facts.json", "inventory.json", "events.jsonl")
RESUMED = "events-2.jsonl"
"""Of a second run, in a case of a change that was resumed; the only file that may be missing."""

EXPECTED = ("plan.json", "outcome.json", "page.md")
NOWHERE = HERE / "no-spool"
STARTS = (factories.NOW + timedelta(seconds=10), factories.NOW + timedelta(hours=1))
"""When the first and the second run began."""


@dataclass(frozen=True)
class Case:
    """What is given: the facts of each host (None: it did not answer), the inventory, the events of each run."""

    name: str
    facts: dict[str, dict[str, Any] | None]
    inventory: Inventory
    runs: tuple[tuple[Event, ...], ...]

    @classmethod
    def read(cls, folder: Path) -> "Case":
        """Return the case that *folder* holds."""
        listing = json.loads((folder / "inventory.json").read_text(encoding="utf-8"))
        paths = [folder / "events.jsonl", folder / RESUMED]
        return cls(
            folder.name,
            json.loads((folder / "facts.json").read_text(encoding="utf-8")),
            inventories.parse(Path("inventory/lab"), listing),
            tuple(events(path) for path in paths if path.name != RESUMED or path.exists()),
        )

    def plan(self) -> Plan:
        """Return the plan that the facts lead to, as ``invoke patch.plan`` makes it."""
        chosen = self.inventory.select("")
        seen = [answer(host, self.facts[host]) for host in chosen]
        facts, silent = prepare.answers(chosen, seen)
        prepare.refuse_locked(facts)
        request = factories.request(reason=self.name.replace("-", " "), inventory_digest=self.inventory.digest)
        return make_plan(request, self.inventory, self.inventory.policy.selection, facts, silent)

    def files(self, plan: Plan) -> ChangeFiles:
        """Return what the logbook holds of the change before its record."""
        return ChangeFiles(
            id=plan.request.id,
            plan=plan,
            approval=allowed(plan),
            starts=tuple(start(plan, number) for number in range(1, len(self.runs) + 1)),
            events=tuple(event for run in self.runs for event in run),
        )

    def expectations(self) -> dict[str, str]:
        """Return what stands in each of the ``EXPECTED`` files if the code is right."""
        plan = self.plan()
        files = self.files(plan)
        page = render_change(files.model_copy(update={"record": self.record(files)}))
        return {"plan.json": text(plan_words(plan)), "outcome.json": text(outcome_words(plan, files)), "page.md": page}

    def record(self, files: ChangeFiles) -> Record | None:
        """Return the record as ``apply.conclude`` makes it, None where the change stays open."""
        shelf = Shelf(files)
        session = Session(self.inventory, Operators(all=()), "anna", cast(Logbook, shelf), NOWHERE)
        made = apply.conclude(session, cast(Plan, files.plan))
        ended = (files.events[-1].time if files.events else STARTS[0]) + timedelta(seconds=1)
        return made.model_copy(update={"ended": ended}) if made else None


class Shelf:
    """A logbook in memory that holds one change: as much of it as the end of a change needs."""

    def __init__(self, known: ChangeFiles) -> None:
        self.known, self.added = known, dict[str, bytes]()

    def read(self, change: str) -> ChangeFiles:
        assert change == self.known.id
        return self.known

    def raw(self, change: str) -> dict[str, bytes]:
        assert change == self.known.id
        starts = {f"start-{start.run}.json": file_bytes(start) for start in self.known.starts}
        phases = {"plan.json": self.known.plan, "approval.json": self.known.approval}
        return {
            **{name: file_bytes(phase) for name, phase in phases.items() if phase},
            **starts,
            "events-1.jsonl": events_bytes(self.known.events),
        }

    def add(self, files: dict[str, bytes], message: str) -> None:
        assert message.startswith(f"{self.known.id}: ")
        self.added.update(files)


def folders() -> list[Path]:
    """Return the folders of all cases."""
    return sorted(path for path in HERE.iterdir() if path.is_dir() and path.name != "__pycache__")


def events(path: Path) -> tuple[Event, ...]:
    """Return the events in *path*, one a line."""
    return tuple(Event.model_validate_json(line) for line in path.read_text(encoding="utf-8").splitlines())


def answer(host: str, told: dict[str, Any] | None) -> Event:
    """Return the event of *host* when it was asked for a plan."""
    status = "ok" if told is not None else "unreachable"
    return factories.result(host, prepare.FACTS, status, **(told or {}))


def allowed(plan: Plan) -> Approval:
    """Return the approval that a standard change has once its question was answered."""
    reason = f"standard change, {len(plan.actions.hosts)} hosts confirmed"
    return factories.approval(plan, basis="policy", by="anna", reason=reason)


def start(plan: Plan, number: int) -> Start:
    """Return the start of run *number*."""
    return Start(
        id=plan.request.id,
        run=number,
        digest=plan.digest,
        operator="anna",
        controller="laptop",
        time=STARTS[number - 1],
        command="invoke patch",
    )


def plan_words(plan: Plan) -> dict[str, Any]:
    """Return what is expected of a plan: its digest and actions, each host's verdict and what a person reads."""
    told = {host: {"verdict": seen.verdict, "notes": show.notes(seen)} for host, seen in plan.observations.items()}
    return {
        "digest": plan.digest,
        "actions": plan.actions.model_dump(mode="json"),
        "verdicts": told,
        "excluded": plan.excluded,
    }


def outcome_words(plan: Plan, files: ChangeFiles) -> dict[str, Any]:
    """Return what is expected of the runs: how the change and each host ended, and what is left to do."""
    results = outcome.host_results(plan, files.events)
    return {
        "outcome": outcome.outcome(results),
        "hosts": {host: result.model_dump(mode="json") for host, result in results.items()},
        "follow_up": outcome.follow_up(plan, results),
        "unfinished": apply.unfinished_hosts(plan, files.events),
        "seconds": apply.seconds(plan, files),
    }


def text(value: object) -> str:
    """Return *value* as JSON that a person reads and compares."""
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def lines(values: Iterable[object]) -> str:
    """Return *values* as JSON, one a line."""
    return "".join(json.dumps(value, sort_keys=True, ensure_ascii=False) + "\n" for value in values)


def at(moment: datetime) -> str:
    """Return *moment* as it stands in a file."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
