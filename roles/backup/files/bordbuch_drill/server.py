"""The throwaway server: how it starts, recovers and answers."""

import time

from bordbuch_drill.model import Drill, Failed, settled
from bordbuch_drill.programs import (
    PORT,
    RESTORE_SECONDS,
    SHORT_SECONDS,
    STATEMENT_SECONDS,
    SUPERUSER,
    environment,
    program,
    run,
    said,
    start,
)
from bordbuch_drill.recovery import control_settings, judge_recovery
from bordbuch_drill.restore import stanza
from bordbuch_drill.words import first_line

SERVER = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "ssl": "off",
    "archive_mode": "off",
    "archive_command": "",
    # Whatever the live server loads need not be installed here, and is not what is to be proven.
    "shared_preload_libraries": "",
    "session_preload_libraries": "",
    "local_preload_libraries": "",
    "max_logical_replication_workers": "0",
    "autovacuum": "off",
    # Until the target is reached nobody is let in. So it also does not matter that a limit was raised after the backup, at which
    # a hot standby would stop.
    "hot_standby": "off",
    "max_connections": "40",
    "shared_buffers": "64MB",
    "maintenance_work_mem": "64MB",
    "huge_pages": "off",
    # It would need memory that can be written and executed.
    "jit": "off",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_min_messages": "warning",
}
"""Given on the command line, which goes over what ALTER SYSTEM has left in the backup."""


def recover(drill: Drill) -> str:
    """Start the server, which plays the WAL up to the target, and wait until it lets us in and has left recovery."""
    start_server(drill)
    end = time.monotonic() + RESTORE_SECONDS
    while not is_up(drill):
        if drill.server is None or drill.server.poll() is not None:
            raise Failed(judge_recovery(said(drill.paths.work / "server.log")))
        if time.monotonic() > end:
            raise Failed(f"Recovery was not done after {RESTORE_SECONDS} s.")
        time.sleep(0.1)
    drill.recovery_time = round(time.monotonic() - drill.restore_began)
    return f"up to {ask(drill, 'SELECT pg_last_wal_replay_lsn()')}, promoted"


def start_server(drill: Drill) -> None:
    """Start PostgreSQL with settings of ours alone: no address, a socket that is only ours, no file but from the work folder."""
    work = drill.paths.work
    for name, text in {"postgresql.conf": "", "pg_ident.conf": "", "pg_hba.conf": "local all all trust\n"}.items():
        (work / name).write_text(text, encoding="utf-8")
    control = run(drill, [program(drill, "pg_controldata"), str(work / "data")], SHORT_SECONDS)
    settings = {
        **SERVER,
        **control_settings(control.out),
        "config_file": f"{work}/postgresql.conf",
        "hba_file": f"{work}/pg_hba.conf",
        "ident_file": f"{work}/pg_ident.conf",
        "data_directory": f"{work}/data",
        "unix_socket_directories": f"{work}/socket",
        "port": str(PORT),
        "restore_command": stanza(drill).fetch_command(drill.repository, work),
    }
    command = [program(drill, "postgres"), *(word for pair in settings.items() for word in ("-c", "=".join(pair)))]
    drill.server = start(drill, command, work / "server.log")


def is_up(drill: Drill) -> bool:
    """Return whether the server lets us in and has left recovery."""
    variables = environment(drill, SUPERUSER)
    command = [program(drill, "psql"), "-XAtqc", "SELECT pg_is_in_recovery()"]
    return run(drill, command, SHORT_SECONDS, variables).out.strip() == "f"


def recovery_time(drill: Drill) -> str:
    """Compare how long it took, from the start of the restore until the server answered, with what is promised."""
    promised = settled(drill).recovery_time_seconds
    if (drill.recovery_time or 0) > promised:
        raise Failed(f"It took {drill.recovery_time} s until the restored server answered; promised are {promised} s.")
    return f"{drill.recovery_time} s until the restored server answered; promised are {promised} s"


def ask(drill: Drill, statements: str, user: str = SUPERUSER, seconds: int = STATEMENT_SECONDS) -> str:
    """Return what the restored database answers *user*.

    Raises:
        Failed: it did not take a statement. Only the first line of the error is told: the next may quote a row.
    """
    command = [program(drill, "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=terse"]
    done = run(drill, command, seconds, environment(drill, settled(drill).database, user), statements)
    if done.code:
        raise Failed(f"The restored database said: {first_line(done.err) or f'psql ended with {done.code}'}.")
    return done.out.rstrip("\n")


def owner(drill: Drill) -> str:
    """Return who owns the members' table: as that role the application works.

    What reads the application's tables by name is run as that role and not as the superuser: in a table's place there may be a
    view with code in it.
    """
    return ask(drill, "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'public.member'::regclass")
