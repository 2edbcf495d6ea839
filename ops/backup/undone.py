"""Spans of time that a restore took back: what was written in them lies on a timeline that no later one leads to."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from ops.backup.facts import Backup, Looked
from ops.errors import BadInput
from ops.logbook import index
from ops.logbook.model import Plan, Record, RestoreActions
from ops.logbook.repository import Logbook


@dataclass(frozen=True)
class Undone:
    """What the restore *change* took back: all that was written after ``since`` until it had ended."""

    change: str
    since: datetime
    until: datetime

    def holds(self, moment: datetime) -> bool:
        """Return whether *moment* was taken back."""
        return self.since < moment <= self.until


def spans(logbook: Logbook, host: str, seen: Looked) -> tuple[Undone, ...]:
    """Return what restores onto *host* took back, by the records.

    Raises:
        Failed: a record cannot be read.
    """
    records = [*index.records(logbook, index.ended(logbook, kind="restore", host=host))]
    plans = [(record, logbook.read(record.id).plan) for record in records]
    places = seen.repository.places if seen.repository else ()
    ends = {backup.label: datetime.fromtimestamp(backup.stop, UTC) for place in places for backup in place.backups}
    return tuple(undone([(record, plan) for record, plan in plans if plan], host, ends))


def undone(ended: Iterable[tuple[Record, Plan]], host: str, ends: dict[str, datetime]) -> Iterator[Undone]:
    """Yield what the restores onto *host* that ended well took back; *ends* says by label when a backup had ended. Pure.

    One to the newest that there is took nothing back, and of one to a backup that is gone by now nothing is left to restore.
    """
    for record, plan in ended:
        actions = plan.actions
        if record.outcome != "verified" or not isinstance(actions, RestoreActions) or host not in actions.hosts:
            continue
        wanted = actions.hosts[host]
        if wanted.until == "backup" and wanted.label in ends:
            yield Undone(record.id, ends[wanted.label], record.ended)
        elif wanted.until not in ("backup", "newest"):
            yield Undone(record.id, datetime.fromisoformat(wanted.until), record.ended)


def refuse_undone(moment: datetime | None, taken_back: Iterable[Undone]) -> None:
    """Raise ``BadInput`` where *moment* was taken back: a restore to it would stop where the earlier one did, and not say so."""
    for one in taken_back:
        if moment and one.holds(moment):
            raise BadInput(
                f"what was written from {one.since:%Y-%m-%d %H:%M:%S} to {one.until:%Y-%m-%d %H:%M:%S} UTC was taken back by the "
                f"restore {one.change}",
                left="nothing was touched",
                next_step="choose a time before or after that; for rows of that time see the data that was kept aside on the host",
            )


def followed(backups: Iterable[Backup], taken_back: Iterable[Undone]) -> tuple[Backup, ...]:
    """Return the *backups* that what came later follows: one made in a span that was taken back leads nowhere."""
    lost = tuple(taken_back)
    return tuple(one for one in backups if not any(span.holds(datetime.fromtimestamp(one.stop, UTC)) for span in lost))
