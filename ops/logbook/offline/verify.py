#!/usr/bin/env python3
"""Verify the export of a logbook, offline, with git and ssh-keygen (OpenSSH 9.1 or later): exit code 0, or 1 and what is wrong."""

import hashlib
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PERSON = rb" ([a-z0-9-]+) <[^>\n]*> \d+ [+-]\d{4}\n"
PARTS = rb"(tree \w{40}\n(?:parent (\w{40})\n)?author%scommitter%s)gpgsig (\S.*(?:\n .*)*)\n(\n(?s:.*))" % (
    PERSON,
    PERSON,
)
RECEIPT = r"(?m)^(?:([0-9]{4}-[0-9T:-]{14}Z) [a-z][a-z0-9-]* ([0-9a-f]{40}) ([0-9a-f]{40})|.+)$"
wrong: list[str] = []


def _run(*command: str, stdin: bytes = b"") -> bytes:
    clean = ("env", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_NO_REPLACE_OBJECTS=1")
    done = subprocess.run((*clean, *command), check=False, input=stdin, capture_output=True, timeout=7200)
    if done.returncode:
        raise ValueError(f"{' '.join(command[:4])}: {(done.stderr or done.stdout).decode(errors='replace').strip()}")
    return done.stdout


def _compare(one: dict[str, Any], other: dict[str, Any], words: str) -> None:
    wrong.extend(f"{name}: {words}" for name in sorted(one | other) if one.get(name) != other.get(name))


def received(order: list[str]) -> list[str]:
    """Return when the server received each commit: receipts without a gap, forward only, up to the newest."""
    times, places = list[str](), {commit: place for place, commit in enumerate(order, start=1)}
    for time, old, new in re.findall(RECEIPT, (HERE / "receipts").read_text(encoding="utf-8")):
        if old != (order[len(times) - 1] if times else "0" * 40) or places.get(new, 0) <= len(times):
            wrong.append(f"receipts: there is a gap before the one of {time}, or {new} is not in the history")
            break
        times.extend([re.sub("[-:T]", "", time)] * (places[new] - len(times)))
    wrong.extend(f"commit {commit}: has no receipt" for commit in order[len(times) :])
    return times + ["19700101000000Z"] * (len(order) - len(times))


def signature(commit: str, parent: str, time: str, raw: bytes, scratch: Path) -> None:
    """Compare one commit: it follows *parent*, one person made it, and signed it with a key that counted at *time*."""
    found = re.fullmatch(PARTS, raw)
    if not found or (found[2] or b"").decode() != parent or found[3] != found[4]:
        return wrong.append(f"commit {commit}: does not follow {parent}, or is not signed, or not by one person")
    scratch.write_bytes(found[5].replace(b"\n ", b"\n") + b"\n")
    command = ("ssh-keygen", "-Y", "verify", "-n", "git", "-O", f"verify-time={time}", "-s", str(scratch))
    try:
        _run(*command, "-f", str(HERE / "allowed_signers"), "-I", found[4].decode(), stdin=found[1] + found[6])
    except ValueError as error:
        wrong.append(f"commit {commit}: {found[4].decode()} did not sign it with a key that counted at {time}, {error}")


def change(name: str, parts: dict[str, Any]) -> None:
    """Compare what was planned, approved, begun and recorded in one change."""
    plan, given, record = parts.get("plan.json"), parts.get("approval.json"), parts.get("record.json", {})
    text = json.dumps(plan and plan["actions"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).hexdigest() if plan else None
    said = {file: (part["digest"], part.get("request", part)["id"]) for file, part in parts.items()}
    _compare(said, dict.fromkeys(parts, (digest, name)), f"is of another change than {name}, or about another plan")
    if plan and given and given["basis"] == "operator" and given["by"] == plan["request"]["requester"]:
        wrong.append(f"{name}: {given['by']} allowed what {given['by']} asked for")
    if plan and not given and "start-1.json" in parts and not record.get("approval_owed_until", True):
        wrong.append(f"{name}: was begun without an approval")


def main() -> None:
    """Verify checksums, history, receipts, signatures, and the changes of the span."""
    files = {str(path.relative_to(HERE)): path.read_bytes() for path in HERE.rglob("*") if path.is_file()}
    said = {line[66:]: line[:64] for line in files.pop("SHA256SUMS").decode().splitlines()}
    _compare(said, {name: hashlib.sha256(it).hexdigest() for name, it in files.items()}, "is not what SHA256SUMS says")
    since, span = json.loads(files["span.json"])["since"], set[str]()
    with tempfile.TemporaryDirectory() as folder:
        git, clone, scratch = ("git", "-C", f"{folder}/clone"), Path(folder, "clone"), Path(folder, "signature")
        _run("git", "clone", "--quiet", "-b", "main", str(HERE / "logbook.bundle"), str(clone))
        order = _run(*git, "rev-list", "--topo-order", "--reverse", "main").decode().split()
        for parent, commit, time in zip(["", *order], order, received(order), strict=False):
            signature(commit, parent, time, _run(*git, "cat-file", "commit", commit), scratch)
            touched = _run(*git, "diff-tree", "-r", "--root", "--no-commit-id", "--name-status", "--no-renames", commit)
            for status, path in (line.split("\t") for line in touched.decode().splitlines()):
                wrong.extend([f"commit {commit}: does more than add {path}"] if status != "A" else [])
                span |= {path.rpartition("/")[0]} if time >= since else set()
        kept = {str(path.relative_to(clone)): path.read_bytes() for one in span for path in (clone / one).glob("*")}
    _compare(kept, {name: it for name, it in files.items() if "changes/" in name}, "is not what the logbook holds")
    for one in map(Path, sorted(span)):
        change(one.name, {path.name: json.loads(path.read_bytes()) for path in (HERE / one).glob("*.json")})
    sys.exit("\n".join(wrong) or print(f"{len(order)} commits, {len(span)} changes: signed, received, unchanged."))


try:
    main()
except (ValueError, KeyError, OSError) as error:
    sys.exit("\n".join([*wrong, f"cannot be verified: {error!r}"]))
