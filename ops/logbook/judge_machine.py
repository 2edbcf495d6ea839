"""Whether what a timer did is signed by the host on which it did it. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ops.logbook import sshsig
from ops.logbook.files import RESULT, RESULT_SIGNATURE, change_folder
from ops.logbook.finding import Finding
from ops.logbook.judge import Added
from ops.logbook.operators import Operators

TIMER = "systemd timer"
"""The command of a record that nobody typed."""

NAMESPACE = b"bordbuch-timer"
"""What a host's signature is for; roles/backup/files/backup.py says the same."""

SAME = ("kind", "outcome", "started", "ended")


def judge_machine(change: str, added: Sequence[Added], operators: Operators, received: datetime) -> Iterator[Finding]:
    """Yield what is wrong with the result that a timer's host has signed, and where there should be one and is none.

    Args:
        change: its id.
        added: its files in the order of the history.
        operators: those of office ``timer`` are hosts, with their keys.
        received: when its record was received off-host, or is dated.
    """
    files = {entry.name: entry for entry in reversed(added)}
    record, result = files.get("record.json"), files.get(RESULT)
    if record is None:
        return
    said = _parsed(record.content)
    if result is None:
        if said.get("command") == TIMER:
            yield _finding(change, record, "was done by a timer, and no host has signed it")
        return
    signature = files[RESULT_SIGNATURE].content if RESULT_SIGNATURE in files else b""
    problem = unsigned(result.content, signature, operators, tuple(said.get("hosts", ())), received)
    if problem:
        yield _finding(change, result, problem)
    given = _parsed(result.content)
    for field in (name for name in SAME if given.get(name) != said.get(name)):
        yield _finding(change, record, f"has another {field} than the result that its host signed")


def unsigned(text: bytes, signature: bytes, operators: Operators, hosts: Sequence[str], when: datetime) -> str:
    """Return why *signature* does not show that one of *hosts* wrote *text*, empty if it does.

    Args:
        text: the result, to the byte.
        signature: as ssh-keygen(1) writes it, empty where there is none.
        operators: those of office ``timer`` are hosts, by their names without a domain.
        hosts: their names in the inventory.
        when: at which time the key must count.
    """
    if not signature.strip():
        return "is not signed by its host"
    try:
        fingerprint = sshsig.fingerprint(sshsig.verify(signature.strip(), text, NAMESPACE))
    except sshsig.BadSignature as error:
        return f"has a signature of its host that is not good: {error}"
    owner = operators.owner(fingerprint)
    if owner is None or owner[0].office != "timer":
        return f"is signed by {fingerprint}, which is no host's key"
    if owner[0].name not in {host.partition(".")[0] for host in hosts}:
        return f"is signed by {owner[0].name}, on which it was not done"
    if not owner[1].valid_at(when):
        return f"is signed by {owner[0].name} with a key that did not count on {when:%Y-%m-%d}"
    return ""


def _parsed(content: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _finding(change: str, entry: Added, what: str) -> Finding:
    return Finding(rule="machine", what=what, commit=entry.commit, path=f"{change_folder(change)}/{entry.name}")
