"""The steps that try LiquidFeedback on the copy, from where no mail can leave."""

import contextlib
import http.client
import json
import os
import re
import socket
import time
from pathlib import Path

from bordbuch_drill.compare import found_facts
from bordbuch_drill.model import Drill, Failed, Skipped, settled
from bordbuch_drill.programs import COUNT_SECONDS, SHORT_SECONDS, end, environment, run, said, start
from bordbuch_drill.server import ask, owner
from bordbuch_drill.words import first_line

COUNTERS = ("lf_update", "lf_update_issue_order", "lf_update_suggestion_order")

MUTE = """
BEGIN;
ALTER TABLE member DISABLE TRIGGER USER;
UPDATE member SET notify_email = NULL, notify_email_unconfirmed = NULL, disable_notifications = TRUE;
ALTER TABLE member ENABLE TRIGGER USER;
UPDATE newsletter SET sent = now() WHERE sent IS NULL;
COMMIT;
"""


def installed(drill: Drill) -> None:
    """Look whether the application is to be tried, and can be.

    Raises:
        Skipped: it is not, or cannot.
    """
    if not settled(drill).application:
        raise Skipped("by configuration", by_configuration=True)
    if not (drill.paths.moonbridge.exists() and (drill.paths.core / COUNTERS[0]).exists()):
        raise Skipped("LiquidFeedback is not installed on this host")


def count_votes(drill: Drill) -> str:
    """Let the programs count that do so on the live side: success is no output and exit code 0."""
    installed(drill)
    database = settled(drill).database
    variables = environment(drill, database, owner(drill))
    for name in COUNTERS:
        done = run(drill, [str(drill.paths.core / name), f"dbname={database}"], COUNT_SECONDS, variables)
        if done.code or done.out or done.err:
            raise Failed(f"{name} ended with {done.code}: {first_line(done.err + done.out)}.")
    return ", ".join(COUNTERS)


def application(drill: Drill) -> str:
    """Start the application against the copy, look at a page, and end it."""
    installed(drill)
    make_mute(drill)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = make_application(drill, port)
    command = [
        str(drill.paths.moonbridge),
        f"{drill.paths.webmcp}/bin/mcp.lua",
        f"{drill.paths.webmcp}/",
        f"{folder}/",
        "main",
        "drill",
    ]
    variables = environment(drill, settled(drill).database, owner(drill))
    log = drill.paths.work / "application.log"
    drill.application = start(drill, command, log, variables)
    try:
        return first_pages(drill, port)
    finally:
        # By force: asked to end, it would first go through all events of the copy.
        end(drill.application)


def make_mute(drill: Drill) -> None:
    """See to it that the copy mails nobody: no program for it, no way out of this place, no address, nothing to send.

    Raises:
        Failed: a mail could leave.
    """
    if os.access(drill.paths.sendmail, os.X_OK):
        raise Failed(
            f"The application was not started: it could run {drill.paths.sendmail}. The drill's unit hides that."
        )
    routes = [Path(f"/proc/self/net/{name}") for name in ("route", "ipv6_route")]
    if out := ways_out(*(path.read_text(encoding="ascii") if path.exists() else "" for path in routes)):
        raise Failed(
            f"The application was not started: there is a network ({', '.join(sorted(out))}). The drill's unit has none."
        )
    ask(drill, MUTE, owner(drill))


def make_application(drill: Drill, port: int) -> Path:
    """Make a folder that is the frontend's but for the configuration and the folder that it writes into."""
    folder = drill.paths.work / "application"
    for part in (folder, folder / "config", folder / "tmp"):
        part.mkdir(mode=0o700)
    for entry in drill.paths.frontend.iterdir():
        if entry.name not in ("config", "tmp"):
            (folder / entry.name).symlink_to(entry)
    text = application_settings(settled(drill).database, port)
    (folder / "config/drill.lua").write_text(text, encoding="utf-8")
    return folder


def application_settings(database: str, port: int) -> str:
    """Return the configuration of the application: it is open to anonymous readers, on the loopback, and has nobody to mail to."""
    return f"""config.absolute_base_url = "http://127.0.0.1:{port}/"
config.instance_name = "Drill"
config.app_service_provider = "Drill"
config.database = {{ engine = "postgresql", dbname = {json.dumps(database, ensure_ascii=False)} }}
config.localhost = true
config.port = {port}
config.fork = {{ pre = 1, min = 1, max = 4 }}
config.public_access = "anonymous"
config.disable_registration = true
config.registration_disabled = true
config.mail_envelope_from = "nobody@drill.invalid"
config.mail_from = {{ name = "Drill", address = "nobody@drill.invalid" }}
if net and net.configure_mail then net.configure_mail{{ command = {{ "/bin/false" }} }} end
"""


def ways_out(ipv4: str, ipv6: str) -> set[str]:
    """Return the interfaces that routes go over, by /proc/net/route and /proc/net/ipv6_route, without the loopback."""
    rows = [line.split()[0] for line in ipv4.splitlines()[1:] if line.split()]
    return {*rows, *(line.split()[-1] for line in ipv6.splitlines() if line.split())} - {"lo"}


def first_pages(drill: Drill, port: int) -> str:
    """Ask for the login page and for the version that the application sees in the database."""
    status, _ = first_answer(drill, port, "/index/login.html")
    if status != http.client.OK:
        raise Failed(f"The application answers {status} to /index/login.html. {application_words(drill)}")
    status, body = get(port, "/api/1/info")
    expected = found_facts(drill)["schema_version"]
    if status != http.client.OK or f'"{expected}"' not in body:
        raise Failed(
            f"The application answers {status} to /api/1/info, without the version {expected}. {application_words(drill)}"
        )
    return f"it shows the login page and names version {expected}; no mail could leave"


def first_answer(drill: Drill, port: int, path: str) -> tuple[int, str]:
    """Return status and body of a page as soon as the application listens.

    Raises:
        Failed: it does not.
    """
    limit = time.monotonic() + SHORT_SECONDS
    while time.monotonic() < limit:
        with contextlib.suppress(ConnectionRefusedError):
            return get(port, path)
        if drill.application is None or drill.application.poll() is not None:
            raise Failed(f"The application ended. {application_words(drill)}")
        time.sleep(0.1)
    raise Failed(f"The application does not listen after {SHORT_SECONDS} s. {application_words(drill)}")


def get(port: int, path: str) -> tuple[int, str]:
    """Return status and body of a page.

    Raises:
        ConnectionRefusedError: nobody listens.
        Failed: there is no answer.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SHORT_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    except ConnectionRefusedError:
        raise
    except (OSError, http.client.HTTPException) as error:
        raise Failed(f"The application does not answer to {path}: {type(error).__name__}: {error}.") from error
    finally:
        connection.close()


def application_words(drill: Drill) -> str:
    """Return the last line that the application has said, without addresses."""
    text = said(drill.paths.work / "application.log")
    last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "nothing")
    return re.sub(r"\S+@\S+", "…", f"It said: {last[:300]}")
