"""The steps before the restore: what is asked for, what the repository and the record of markers hold, what to recover to."""

import json
import secrets
from datetime import timedelta
from pathlib import Path

from bordbuch_pgbackrest import Backup, Fault

from bordbuch_drill.listing import judge_made, judge_versions, labels_made
from bordbuch_drill.model import Drill, Failed, Marker, Skipped, chosen, settled
from bordbuch_drill.programs import SHORT_SECONDS, program, read, remove, run
from bordbuch_drill.request import parse_request, parse_settings
from bordbuch_drill.restore import stanza
from bordbuch_drill.target import (
    check_target,
    choose_backup,
    choose_marker,
    followed,
    judge_clock,
    judge_point,
    parse_markers,
    restorable,
)
from bordbuch_drill.words import iso


def configure(drill: Drill) -> str:
    """Make the work folder, read what is asked for, the configuration, and what is given in place of facts."""
    remove(drill.paths.work)
    drill.paths.work.mkdir(mode=0o700)
    drill.request = parse_request(drill.asked)
    drill.settings = parse_settings(read(drill.paths.configuration, "The configuration"))
    if drill.repository not in drill.settings.repositories:
        raise Failed(f"There is no repository {drill.repository}.")
    if drill.paths.given.exists():
        given = json.loads(read(drill.paths.given, "The given facts"))
        drill.offset = timedelta(seconds=given.get("clock_offset_seconds", 0))
    return f"stanza {drill.settings.stanza}, repository {drill.repository}"


def look(drill: Drill) -> str:
    """Look at versions and the state of the repository, and choose the backup."""
    settings = settled(drill)
    here = stanza(drill).version()
    drill.backups = listed(drill)
    fitting = drill.backups if drill.request.label not in ("", "random") else followed(drill.backups, seen(drill))
    drill.backup = choose_backup(fitting, drill.request.label, drill.to, secrets.choice)
    server = ""
    if Path(program(drill, "postgres")).exists():
        server = run(drill, [program(drill, "postgres"), "--version"], SHORT_SECONDS).out.split()[2]
    judge_versions(drill.backup, here, server, settings.version)
    drill.sizes = {"database": drill.backup.database_bytes, "stored": drill.backup.stored_bytes}
    return f"pgBackRest {here}, PostgreSQL {server}; {len(drill.backups)} backups, {drill.backup.label} is restored"


def listed(drill: Drill) -> list[Backup]:
    """Return the backups that the repository has.

    Raises:
        Failed: it has none, or the escrow copy does not open it.
    """
    try:
        found = stanza(drill).opened(drill.repository)
    except Fault as why:
        raise Failed(f"Repository {drill.repository}, by the escrow copy: {why}.") from None
    if not found.backups:
        raise Failed(f"Repository {drill.repository}: {found.status}.")
    return list(found.backups)


def recovery_point(drill: Drill) -> str:
    """Compare the age of the newest marker that can be restored with what is promised."""
    promised = settled(drill).recovery_point_seconds
    markers, began = recorded(drill), drill.started + drill.offset
    if fitting := restorable(markers, drill.backups):
        drill.recovery_point = max(round((began - fitting[-1].time).total_seconds()), 0)
    age = judge_point(markers, drill.backups, began, promised)
    return f"the newest marker that can be restored was {age} s old; promised are {promised} s"


def backups_made(drill: Drill) -> str:
    """Compare the repository with the host's own notes of the backups that were made."""
    try:
        made = json.loads(drill.paths.made.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Skipped("this host has no notes of the backups that were made") from None
    except OSError as error:
        raise Failed(f"The notes of the backups that were made cannot be read: {error.strerror}.") from error
    return judge_made(labels_made(made, drill.repository), {one.label for one in drill.backups})


def clock(drill: Drill) -> str:
    """Compare the clocks of the database's host and of this one."""
    return judge_clock(recorded(drill)[-1], drill.now, drill.offset)


def choose_target(drill: Drill) -> str:
    """Choose what to recover to: the time that was asked for, or the newest marker that can be reached."""
    markers, backup, to = recorded(drill), chosen(drill), drill.to
    if to is None:
        drill.marker = choose_marker(markers, backup)
        drill.number, drill.target = drill.marker.number, f"bordbuch-{drill.marker.number}"
        return f"restore point {drill.target} of {iso(drill.marker.time)}"
    check_target(to, drill.now, markers, backup)
    before = [marker for marker in restorable(markers, [backup]) if marker.time <= to]
    drill.marker, drill.target = before[-1] if before else None, iso(to)
    return f"time {drill.target}"


def seen(drill: Drill) -> list[Marker]:
    """Return the recorded markers, none where they cannot be read: the step that cannot do without them says so."""
    try:
        return recorded(drill)
    except Failed:
        return []


def recorded(drill: Drill) -> list[Marker]:
    """Return the markers that this host has recorded."""
    markers = parse_markers(read(drill.paths.ledger / "markers", "The record of markers"))
    if not markers:
        raise Failed("No marker is recorded: the ledger's daemon has not seen the database yet.")
    return markers
