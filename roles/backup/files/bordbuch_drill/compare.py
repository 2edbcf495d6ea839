"""The steps that read the restored database and compare it with the live one."""

import json
import os
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bordbuch_pgbackrest import printable
from bordbuch_wal import as_lsn, position

from bordbuch_drill.contents import judge_names, judge_rows, judge_sequences, judge_values, settle
from bordbuch_drill.model import Drill, Failed, Marker, Skipped, settled
from bordbuch_drill.programs import READ_SECONDS, SUPERUSER, environment, program, read, run
from bordbuch_drill.server import ask
from bordbuch_drill.target import judge_marker
from bordbuch_drill.words import first_line, iso, parse_time, some

OWNED_SEQUENCES = r"""
SELECT format('SELECT %L, (SELECT max(%I) FROM %I.%I), last_value, is_called FROM %I.%I',
              sn.nspname || '.' || s.relname, a.attname, tn.nspname, t.relname, sn.nspname, s.relname)
FROM pg_sequence q
JOIN pg_class s ON s.oid = q.seqrelid
JOIN pg_namespace sn ON sn.oid = s.relnamespace
JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.oid AND d.deptype IN ('a', 'i')
    AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
JOIN pg_class t ON t.oid = d.refobjid
JOIN pg_namespace tn ON tn.oid = t.relnamespace
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
WHERE t.relkind IN ('r', 'p') AND q.seqincrement > 0 AND NOT q.seqcycle
    AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
\gexec
"""

COLLATIONS = """
SELECT 'database ' || datname, datcollversion, pg_database_collation_actual_version(oid) FROM pg_database
WHERE datcollversion <> coalesce(pg_database_collation_actual_version(oid), '')
UNION ALL
SELECT 'collation ' || c.collname, c.collversion, pg_collation_actual_version(c.oid) FROM pg_collation c
WHERE c.collversion <> coalesce(pg_collation_actual_version(c.oid), '')
    AND EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_collation'::regclass AND d.refobjid = c.oid)
"""


def marker(drill: Drill) -> str:
    """Look whether the marker is there, is the newest, and lies before what was replayed."""
    query = "SELECT number, time, lsn, pg_last_wal_replay_lsn() FROM bordbuch.marker ORDER BY number DESC LIMIT 1"
    row = ask(drill, f"SET datestyle = ISO; {query}")
    if not row:
        raise Failed("There is no marker in the restored database.")
    digits, written, lsn, replayed = row.split("|")
    number, moment = int(digits), parse_time(written)
    judge_marker(number, moment, drill.marker, drill.to, settled(drill).recovery_point_seconds)
    needed = drill.marker.point if drill.marker and not drill.request.to else position(lsn)
    if not replayed or position(replayed) < needed:
        raise Failed(f"Replayed up to {replayed or 'nowhere'}, and marker {number} needs {as_lsn(needed)}.")
    drill.number = number
    drill.marker = drill.marker or Marker(number, moment, position(lsn), position(lsn), moment)
    return f"marker {number} of {iso(moment)} at {lsn}, replayed up to {replayed}"


def pages(drill: Drill) -> str:
    """Check every table page and index of every database, and that each index has all rows of its table."""
    command = [program(drill, "pg_amcheck"), "--all", "--install-missing", "--heapallindexed", "--jobs=2"]
    done = run(drill, command, READ_SECONDS, environment(drill, SUPERUSER))
    if done.code:
        raise Failed(f"pg_amcheck found: {printable(done.out or done.err)}")
    return "no fault in tables and indexes of all databases"


def databases(drill: Drill) -> list[str]:
    """Return the databases that let anybody in."""
    return ask(drill, "SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname").splitlines()


def rows_read(drill: Drill) -> str:
    """Read every row and large object of every database once, and the roles, by writing a dump to nowhere."""
    nowhere = ["--no-sync", f"--file={os.devnull}"]
    names = databases(drill)
    commands = [("the roles", SUPERUSER, [program(drill, "pg_dumpall"), "--globals-only", *nowhere])]
    commands += [(name, name, [program(drill, "pg_dump"), "--format=plain", *nowhere]) for name in names]
    for what, database, command in commands:
        done = run(drill, command, READ_SECONDS, environment(drill, database))
        if done.code:
            raise Failed(f"{what} could not be read: {first_line(done.err)}.")
    return f"{', '.join(names)}, and the roles"


def live_facts(drill: Drill) -> tuple[dict[str, Any], datetime]:
    """Return what the live database told of itself, and when.

    Raises:
        Skipped: it has told nothing yet.
    """
    path = drill.paths.ledger / "facts.json"
    if not path.exists():
        raise Skipped("there are no facts of the live database to compare with")
    entry = json.loads(read(path, "The facts of the live database"))
    return entry["facts"], parse_time(entry["time"])


def both_facts(drill: Drill) -> tuple[dict[str, Any], dict[str, Any], datetime]:
    """Return what the restored database tells of itself, what the live one told, and when."""
    return found_facts(drill), *live_facts(drill)


def found_facts(drill: Drill) -> dict[str, Any]:
    """Return what the restored database tells of itself, by the same function."""
    if drill.found is None:
        drill.found = json.loads(ask(drill, "SELECT bordbuch.facts()", seconds=READ_SECONDS))
    return drill.found


def judged(drill: Drill, faults: Sequence[str], moment: datetime) -> None:
    """Raise what *faults* against facts of *moment* mean."""
    assert drill.marker is not None  # noqa: S101  a step that needs it does not run without it
    settle(faults, moment, drill.marker.time)


def names(drill: Drill) -> str:
    """Look whether the databases, roles and extensions are there."""
    found, facts, moment = both_facts(drill)
    kinds = ("databases", "roles", "extensions")
    judged(drill, [fault for kind in kinds for fault in judge_names(kind[:-1], facts[kind], found[kind])], moment)
    return ", ".join(f"{len(facts[kind])} {kind}" for kind in kinds)


def rows(drill: Drill) -> str:
    """Compare the counts of rows and large objects with those of the live database."""
    found, facts, moment = both_facts(drill)
    unlogged = ask(
        drill,
        "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind = 'r' AND c.relpersistence = 'u'",
    ).splitlines()
    objects = [{"large objects": one["large_objects"]} for one in (facts, found)]
    expected, there = {**facts["counts"], **objects[0]}, {**found["counts"], **objects[1]}
    judged(drill, judge_rows(expected, there, settled(drill).may_be_empty, unlogged), moment)
    return (
        f"{sum(found['counts'].values())} rows in {len(found['counts'])} tables, {found['large_objects']} large objects"
    )


def sequences(drill: Drill) -> str:
    """Look whether each sequence goes on after what is in its column, and after what it was on the live side."""
    lines = ask(drill, OWNED_SEQUENCES).splitlines()
    if faults := judge_sequences(lines):
        raise Failed(f"{some(faults)}.")
    found, facts, moment = both_facts(drill)
    judged(drill, judge_values(facts["sequences"], found["sequences"]), moment)
    return f"{len(found['sequences'])} sequences, none behind"


def collations(drill: Drill) -> str:
    """Look whether text sorts here as it did where the indexes were made."""
    lines = [line.split("|") for line in ask(drill, COLLATIONS).splitlines()]
    if lines:
        raise Failed(f"{some([f'{name} is of version {before}, here is {here}' for name, before, here in lines])}.")
    return "text sorts as where the indexes were made"


def schema_version(drill: Drill) -> str:
    """Compare the version of LiquidFeedback's schema."""
    found, facts, moment = both_facts(drill)
    here, expected = found["schema_version"], facts["schema_version"]
    judged(drill, [f"the schema is of version {here}, and was of {expected}"] if here != expected else [], moment)
    return f"LiquidFeedback {here}"
