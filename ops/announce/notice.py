"""Notices: what a change is, when, what users notice of it, how it ended. Plain words from the record alone. Pure.

Never in a notice: who asked, approved or operates; the reason and the ticket, which people wrote for each other and which may
name members; and, while they are still open, which holes an update closes. Host names only for a reader who asked for them.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal

from ops.announce.meaning import (
    Effect,
    Procedure,
    done_so_far,
    effect_of,
    held_seconds,
    page_seconds,
    procedure_of,
)
from ops.announce.reader import Reader
from ops.errors import BadInput
from ops.logbook.files import ChangeFiles
from ops.logbook.model import Model, Record, RestoreActions

Occasion = Literal["planned", "begun", "gate-closed", "question", "ended"]
Lines = Iterator[tuple[str, str]]

PROMISE: Mapping[Procedure, timedelta] = MappingProxyType(
    {
        "patch": timedelta(hours=1),
        "revert": timedelta(hours=1),
        "deploy": timedelta(hours=1),
        "upgrade": timedelta(hours=1),
        "restore": timedelta(hours=2),
    }
)
"""When there will probably be news: a restore's maintenance page is set to two hours; an hour is what people wait for a word."""


class Notice(Model):
    """One text: its subject, and its lines, each with what it is about."""

    subject: str
    lines: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """The lines as a mail or a message has them."""
        return "".join(f"{label}: {words}\n" for label, words in self.lines)


def occasion_of(files: ChangeFiles) -> Occasion:
    """Return how far a change is."""
    return "ended" if files.record else "begun" if files.starts else "planned"


def notice(files: ChangeFiles, reader: Reader, at: datetime | None = None) -> Notice:
    """Return what is to be said of a change as it stands: that it is planned (*at* a time), has begun, or how it ended.

    Raises:
        BadInput: users notice nothing of it, so that there is nothing to announce.
    """
    procedure = procedure_of(files)
    if procedure is None:
        kind = files.record.kind if files.record else "other kind"
        raise BadInput(
            f"{files.id} is a change that users do not notice ({kind})", next_step="invoke changes.show tells of it"
        )
    told = {"planned": _planned(files, reader, at), "begun": _begun(files, reader), "ended": _ended(files, reader)}
    lines = [(_labels(reader)["what"], what(files, procedure, reader)), *told[occasion_of(files)]]
    return Notice(subject=_subject(files, procedure, reader), lines=(*lines, *_last(files, reader)))


def gate_notice(files: ChangeFiles, reader: Reader, time: datetime) -> Notice:
    """Return what is to be said when a gate of a patch closed at *time*; the events of *files* are those until then."""
    label, procedure = _labels(reader), procedure_of(files) or "patch"
    done, hosts = done_so_far(files.events), len(files.plan.actions.hosts) if files.plan else 0
    lines = [
        (label["what"], what(files, procedure, reader)),
        (label["when"], reader.gettext("stopped {moment}").format(moment=reader.moment(time))),
        (
            label["result"],
            reader.gettext(
                "A check after a part of the servers found something that is not as planned. Done: {done} of {hosts}. "
                "No further server is begun."
            ).format(done=reader.number(done), hosts=reader.number(hosts)),
        ),
        (label["next"], reader.gettext("when the work has ended")),
    ]
    subject = reader.gettext("Maintenance was stopped by a check: {name}").format(name=name(files, procedure, reader))
    return Notice(subject=subject, lines=(*lines, *_last(files, reader)))


def question_notice(question: str, since: datetime, reader: Reader) -> Notice:
    """Return what is to be said when a *question* of ours waits for an operator *since* a time."""
    label = _labels(reader)
    return Notice(
        subject=reader.gettext("A question waits for an answer"),
        lines=(
            (label["what"], reader.gettext("A command asks: “{question}”").format(question=question)),
            (label["when"], reader.gettext("since {moment}").format(moment=reader.moment(since))),
            (label["next"], reader.gettext("Nothing is begun until it is answered where the command was typed.")),
        ),
    )


def _labels(reader: Reader) -> Mapping[str, str]:
    return {
        "what": reader.gettext("What"),
        "when": reader.gettext("When"),
        "meaning": reader.gettext("What it means for you"),
        "result": reader.gettext("Result"),
        "next": reader.gettext("Next news"),
        "servers": reader.gettext("Servers"),
        "reference": reader.gettext("Reference"),
    }


def name(files: ChangeFiles, procedure: Procedure, reader: Reader) -> str:
    """Return in two or three words what kind of work it is."""
    names: Mapping[Procedure, str] = {
        "patch": reader.gettext("security updates"),
        "revert": reader.gettext("return to earlier versions"),
        "deploy": reader.gettext("settings of the servers"),
        "upgrade": reader.gettext("new release of LiquidFeedback"),
        "restore": reader.gettext("restore of the database"),
    }
    every = files.plan is not None and files.plan.actions.selection == "all"
    return reader.gettext("updates") if procedure == "patch" and every else names[procedure]


def _subject(files: ChangeFiles, procedure: Procedure, reader: Reader) -> str:
    ended = files.record.outcome if files.record else ""
    if ended == "verified":
        words = reader.gettext("Maintenance has ended: {name}")
    elif ended in ("refused", "rejected"):
        words = reader.gettext("Maintenance did not take place: {name}")
    elif ended:
        words = reader.gettext("Maintenance ended early: {name}")
    elif len(files.starts) > 1:
        words = reader.gettext("Maintenance goes on: {name}")
    elif files.starts:
        words = reader.gettext("Maintenance has begun: {name}")
    else:
        words = reader.gettext("Planned maintenance: {name}")
    return words.format(name=name(files, procedure, reader))


def what(files: ChangeFiles, procedure: Procedure, reader: Reader) -> str:
    """Return what the work is, in words that fit before and after it."""
    if procedure == "restore":
        return reader.gettext("Restore of the database from a backup.")
    if procedure == "upgrade":
        return reader.gettext("A new release of LiquidFeedback: program and database together, tried on a copy first.")
    if procedure == "deploy":
        return reader.gettext("Settings of the servers, as they are written down for them.")
    packages, hosts = _packages(files), len(_host_names(files))
    on = reader.ngettext("on {count} server", "on {count} servers", hosts)
    if not packages:
        return reader.gettext("Updates {on}.").format(on=on)
    return _counted(files, procedure, packages, reader).format(on=on)


def _counted(files: ChangeFiles, procedure: Procedure, count: int, reader: Reader) -> str:
    if procedure == "revert":
        return reader.ngettext(
            "{count} package back to its earlier version {on}.",
            "{count} packages back to their earlier versions {on}.",
            count,
        )
    if files.plan and files.plan.actions.selection == "all":
        return reader.ngettext("{count} update {on}.", "{count} updates {on}.", count)
    return reader.ngettext("{count} security update {on}.", "{count} security updates {on}.", count)


def _packages(files: ChangeFiles) -> int:
    planned = files.plan.actions.hosts.values() if files.plan else ()
    return sum(len(host.packages) for host in planned)


def _host_names(files: ChangeFiles) -> list[str]:
    return sorted(files.plan.actions.hosts if files.plan else files.record.hosts if files.record else ())


def _planned(files: ChangeFiles, reader: Reader, at: datetime | None) -> Lines:
    label = _labels(reader)
    if at:
        yield label["when"], reader.gettext("from {moment}").format(moment=reader.moment(at))
    else:
        yield label["when"], reader.gettext("The time is announced separately.")
    yield label["meaning"], meaning(files, reader)
    yield label["next"], reader.gettext("when the work begins, and when it has ended")


def _begun(files: ChangeFiles, reader: Reader) -> Lines:
    if files.starts:
        label, procedure = _labels(reader), procedure_of(files) or "patch"
        first, last = files.starts[0].time, files.starts[-1].time
        until = reader.moment(last + PROMISE[procedure])
        yield label["when"], reader.gettext("since {moment}").format(moment=reader.moment(first))
        yield label["meaning"], meaning(files, reader)
        yield (
            label["next"],
            reader.gettext("when the work has ended, probably before {moment}").format(moment=until),
        )


def meaning(files: ChangeFiles, reader: Reader) -> str:
    """Return what users notice while the change goes on, and what they lose by a restore."""
    effects: Mapping[Effect, str] = {
        "none": reader.gettext("You should notice nothing of it."),
        "waits": reader.gettext("Now and then a page may take up to half a minute to appear."),
        "away": reader.gettext(
            "A server starts anew. For some minutes the site may not answer; please try again then."
        ),
        "closed": reader.gettext("Meanwhile the site shows a maintenance page, and nothing can be entered."),
    }
    lost = list(_lost(files, reader))
    login = [reader.gettext("Afterwards everybody has to log in again.")] if lost else []
    return " ".join([effects[effect_of(files)], *login, *lost])


def _lost(files: ChangeFiles, reader: Reader) -> Iterator[str]:
    if files.plan is None or not isinstance(files.plan.actions, RestoreActions):
        return
    for host in files.plan.actions.hosts.values():
        if host.until == "newest":
            yield reader.gettext("What was entered in the last moments before the failure may be missing.")
        elif host.until == "backup":
            yield reader.gettext("What was entered since the backup was made is no longer there.")
        else:
            moment = reader.moment(datetime.fromisoformat(host.until))
            yield reader.gettext("What was entered after {moment} is no longer there.").format(moment=moment)


def _ended(files: ChangeFiles, reader: Reader) -> Lines:
    record, label = files.record, _labels(reader)
    if record is None:
        return
    if not files.starts and files.plan:
        yield label["when"], reader.moment(record.ended)
    else:
        yield label["when"], reader.period(files.starts[0].time if files.starts else record.started, record.ended)
    yield label["result"], " ".join(_result(record, reader))
    if meant := " ".join(_meant(files, record, reader)):
        yield label["meaning"], meant
    if record.outcome in ("verified", "refused", "rejected"):
        yield label["next"], reader.gettext("with the next maintenance")
    else:
        yield label["next"], reader.gettext("as soon as it is clear how it goes on")


def _result(record: Record, reader: Reader) -> Iterator[str]:
    good = sum(result.state == "verified" for result in record.hosts.values())
    yield {
        "verified": reader.gettext("All is done and checked."),
        "failed": reader.gettext("A step or a check failed. Work was stopped there, and we are looking at it."),
        "interrupted": reader.gettext(
            "Contact was lost. How it ended is not known for all servers; we are looking at it."
        ),
        "aborted": reader.gettext("We ended it before it was done."),
        "refused": reader.gettext(
            "Nothing was changed: something was not as it was planned, or it is not the time for it."
        ),
        "rejected": reader.gettext("Nothing was changed: it was not approved."),
    }[record.outcome]
    if record.outcome in ("failed", "interrupted", "aborted") and len(record.hosts) > 1:
        yield reader.gettext("Done: {done} of {hosts} servers.").format(
            done=reader.number(good), hosts=reader.number(len(record.hosts))
        )
    yield from _closed(record, reader)


def _closed(record: Record, reader: Reader) -> Iterator[str]:
    count = len(closed_advisories([record]))
    if count and record.kind == "revert":
        yield reader.ngettext(
            "{count} known weakness is open again.", "{count} known weaknesses are open again.", count
        )
    elif count:
        yield reader.ngettext("{count} known weakness is closed.", "{count} known weaknesses are closed.", count)


def closed_advisories(records: Iterable[Record]) -> set[str]:
    """Return the advisories and CVEs that *records*, in their order, closed on every host that they were to be closed on.

    Closed is what came and runs nowhere on the old files; of a host, the latest record counts.
    """
    last: dict[tuple[str, str, str], bool] = {}
    for record in records:
        for host, result in record.hosts.items():
            for package in result.packages:
                done = package.state in ("installed", "removed")
                last.update({(number, host, package.name): done for number in package.advisories})
    return {number for number, _host, _name in last} - {
        number for (number, _host, _name), done in last.items() if not done
    }


def _meant(files: ChangeFiles, record: Record, reader: Reader) -> Iterator[str]:
    if closed := page_seconds(files):
        yield reader.gettext("The site was closed for {span}.").format(span=reader.span(closed))
    if held := held_seconds(files.events):
        yield reader.gettext("Pages had to wait for {span}.").format(span=reader.span(held))
    if record.outcome == "verified":
        yield from (lost := list(_lost(files, reader)))
        yield from [reader.gettext("Please log in again.")] if lost else []
        yield reader.gettext("The site can be used as always.")


def _last(files: ChangeFiles, reader: Reader) -> Lines:
    label, hosts = _labels(reader), _host_names(files)
    if reader.hosts and hosts:
        yield label["servers"], reader.listed(hosts)
    yield label["reference"], files.id
