"""The files of a change: where they lie, their bytes, and what they say together. Pure."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Literal, TypeVar

from pydantic import ValidationError

from ops.errors import Failed
from ops.logbook.canonical import canonical
from ops.logbook.model import Approval, ChangeId, Event, Model, Plan, Record, Start

State = Literal["planned", "approved", "running", "ended"]
M = TypeVar("M", bound=Model)

PHASES: Mapping[str, type[Plan] | type[Approval] | type[Record]] = {
    "plan.json": Plan,
    "approval.json": Approval,
    "record.json": Record,
}
START = re.compile(r"start-([1-9]\d*)\.json")
EVENTS = re.compile(r"events-([1-9]\d*)\.jsonl")
RESULT, RESULT_SIGNATURE = "result.json", "result.json.sig"
"""What a timer's program wrote on its host, to the byte, and that host's signature of it."""

PATH = re.compile(r"changes/(\d{4})/(\d{2})/((\d{4})-(\d{2})-\d{2}-\d{4}-[a-z2-7]{4})/([a-z0-9.-]+)")


class ChangeFiles(Model):
    """What the logbook holds of one change; ``events`` are those of all runs, in their order.

    ``result`` is what a timer's program wrote on its host, to the byte, and ``result_signature`` that host's signature of it.
    """

    id: ChangeId
    plan: Plan | None = None
    approval: Approval | None = None
    starts: tuple[Start, ...] = ()
    events: tuple[Event, ...] = ()
    record: Record | None = None
    result: bytes = b""
    result_signature: bytes = b""

    @property
    def state(self) -> State:
        """How far the change came, by which files there are."""
        present = {"record.json": self.record, "start-1.json": self.starts, "approval.json": self.approval}
        return state_of([name for name, value in present.items() if value])


def change_folder(change: str) -> str:
    """Return the folder of the change with the id *change*, relative to the logbook."""
    return f"changes/{change[:4]}/{change[5:7]}/{change}"


def split_path(path: str) -> tuple[str, str] | None:
    """Return change id and file name of *path*, None if it is no file of a change in the folder where it belongs."""
    found = PATH.fullmatch(path)
    if not found or (found[1], found[2]) != (found[4], found[5]) or not is_phase(found[6]):
        return None
    return found[3], found[6]


def is_phase(name: str) -> bool:
    """Return whether *name* is a file that a change may hold."""
    return name in (*PHASES, "page.md", RESULT, RESULT_SIGNATURE) or bool(
        START.fullmatch(name) or EVENTS.fullmatch(name)
    )


def state_of(names: Collection[str]) -> State:
    """Return how far a change came, by the *names* of its files alone."""
    if "record.json" in names:
        return "ended"
    if any(START.fullmatch(name) for name in names):
        return "running"
    return "approved" if "approval.json" in names else "planned"


def file_bytes(model: Model) -> bytes:
    """Return *model* as the canonical JSON that stands in its file."""
    return canonical(model.model_dump(mode="json"))


def events_bytes(events: Iterable[Event]) -> bytes:
    """Return *events* as the lines of their file."""
    return b"".join(file_bytes(event) + b"\n" for event in events)


def parse_change(change: str, contents: Mapping[str, bytes]) -> ChangeFiles:
    """Return the change with the id *change* from the *contents* of its files, by name; the page is passed over.

    Raises:
        Failed: a file cannot be read, with its name.
    """
    runs = sorted(int(found[1]) for name in contents if (found := START.fullmatch(name)))
    event_runs = sorted(int(found[1]) for name in contents if (found := EVENTS.fullmatch(name)))
    return ChangeFiles(
        id=change,
        plan=_optional(Plan, change, "plan.json", contents),
        approval=_optional(Approval, change, "approval.json", contents),
        starts=tuple(parse_file(Start, change, f"start-{run}.json", contents[f"start-{run}.json"]) for run in runs),
        events=tuple(event for run in event_runs for event in parse_events(change, f"events-{run}.jsonl", contents)),
        record=_optional(Record, change, "record.json", contents),
        result=contents.get(RESULT, b""),
        result_signature=contents.get(RESULT_SIGNATURE, b""),
    )


def parse_file(model: type[M], change: str, name: str, content: bytes) -> M:
    """Return the *model* that stands in *content*, the file *name* of *change*.

    Raises:
        Failed: it does not fit the model, with the place.
    """
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "its text"
        raise Failed(
            f"{change_folder(change)}/{name} cannot be read: {place}: {first['msg']}",
            left="the file was left as it is",
            next_step="invoke audit",
        ) from None


def parse_events(change: str, name: str, contents: Mapping[str, bytes]) -> tuple[Event, ...]:
    """Return the events in the file *name* of *contents*, one a line.

    Raises:
        Failed: a line does not fit the model.
    """
    return tuple(parse_file(Event, change, name, line) for line in contents[name].splitlines())


def _optional(model: type[M], change: str, name: str, contents: Mapping[str, bytes]) -> M | None:
    return parse_file(model, change, name, contents[name]) if name in contents else None
