"""Deploy, drift and status on hosts: what was foreseen is what is done, and what goes wrong is said."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.faults.site import Site

JOURNAL = "/etc/systemd/journald.conf.d/bordbuch.conf"
PART = ("--tags", "base:journal")


def test_what_was_foreseen_is_done_once_and_drift_is_seen(bare: Callable[..., Site]) -> None:
    here = bare("app1")
    plan = here.invoke("deploy", "--check", *PART)
    assert JOURNAL in plan
    assert f"{JOURNAL} on app1: new, " in plan
    assert here.invoke("deploy", *PART, code=3).count(JOURNAL) >= 1
    assert here.run_on("app1", f"ls {JOURNAL} 2>&1 || true").startswith("ls: ")
    assert here.records() == []

    done = here.invoke("deploy", "--yes", "--reason", "keep the journal", *PART)
    assert "verified" in done
    record = here.record()
    assert (record["outcome"], record["reason"]) == ("verified", "deploy: keep the journal")
    assert record["detail"].startswith("foreseen: ")
    beyond = record["detail"].partition("not foreseen: ")[2]
    assert beyond == "app1: base : Move the journal to disk", "a command, which a check run cannot foresee"
    assert [check["name"] for check in record["hosts"]["app1"]["checks"]] == ["no further unit failed"]
    events = next(here.folder.glob(f"logbook/changes/*/*/{record['id']}/events-1.jsonl")).read_text()
    foreseen = [line for line in map(json.loads, events.splitlines()) if line["action"] == "deploy_plan"]
    assert [JOURNAL] in [line["data"]["what"] for line in foreseen]
    assert "Storage=" not in events, "no file's content in the record"

    again = here.invoke("deploy", "--yes", *PART)
    assert "Nothing to change on 1 hosts: a check run of playbooks/site.yml compared" in again
    assert len(here.records()) == 1

    here.run_on("app1", f"sed -i s/persistent/volatile/ {JOURNAL}")
    printed = here.invoke("drift", *PART, code=1)
    assert f"{JOURNAL} on app1" in printed
    assert "-Storage=volatile" in printed
    assert len(here.records()) == 1


def test_a_task_that_fails_is_said_in_its_own_words_and_the_record_has_none_of_them(bare: Callable[..., Site]) -> None:
    here = bare("app1")
    here.run_on("app1", f"mkdir {Path(JOURNAL).parent} && mount -t tmpfs -o ro,mode=0755 none {Path(JOURNAL).parent}")
    printed = here.invoke("deploy", "--yes", *PART, code=1)
    assert "Failed: app1: base : Keep the journal" in printed
    assert "not writable" in printed
    record = here.record()
    assert record["outcome"] == record["hosts"]["app1"]["state"] == "failed"
    assert "not writable" not in json.dumps(record)


def test_a_host_that_fails_its_own_checks_afterwards_is_failed(bare: Callable[..., Site]) -> None:
    here = bare("app1", patch_health=[{"name": "page", "tcp": "127.0.0.1:8080", "seconds": 1}])
    printed = here.invoke("deploy", "--yes", *PART, code=1)
    assert "app1: page: " in printed
    assert here.record()["hosts"]["app1"]["state"] == "failed"


def test_a_host_that_does_not_answer_is_left_out_and_said(bare: Callable[..., Site]) -> None:
    here = bare("app1", "db1")
    here.lab.cut("app1")
    printed = here.invoke("deploy", "--yes", *PART, code=1)
    assert "not deployed: app1 (did not answer)" in printed
    hosts = here.record()["hosts"]
    assert {host: result["state"] for host, result in hosts.items()} == {"db1": "verified", "app1": "unreachable"}
    status = here.invoke("status")
    assert "did not answer" in next(line for line in status.splitlines() if line.startswith("app1"))
    assert "not known: app1" in here.invoke("drift", "--limit", "app1:db1", *PART, code=1)


def test_a_lock_and_a_freeze_refuse(bare: Callable[..., Site]) -> None:
    freeze = {"from": "2020-01-01T00:00:00Z", "to": "2999-01-01T00:00:00Z", "reason": "congress"}
    here = bare("app1", freezes=[{**freeze, "categories": ["standard"]}])
    assert "congress" in here.invoke("deploy", "--yes", *PART, code=4)
    assert here.record()["outcome"] == "refused"
    assert JOURNAL in here.invoke("deploy", "--check", *PART)

    here.configure()
    lock = {"change": "2026-11-25-2200-aaaa", "operator": "bert", "controller": "x", "since": "2026-11-25T22:00:00Z"}
    here.run_on("app1", f"mkdir -p /var/lib/bordbuch && echo '{json.dumps(lock)}' > /var/lib/bordbuch/lock.json")
    assert "locked by change 2026-11-25-2200-aaaa of bert" in here.invoke("deploy", "--yes", *PART, code=4)
    assert "locked by 2026-11-25-2200-aaaa of bert" in here.invoke("status")
    assert here.run_on("app1", f"ls {JOURNAL} 2>&1 || true").startswith("ls: ")
