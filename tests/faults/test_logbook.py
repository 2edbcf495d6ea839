"""The logbook off-host: pushes that fail, two operators' clones, records that are tampered with (F30)."""

import json
import subprocess
from pathlib import Path

from tests.archive import scenarios
from tests.faults.conftest import MakeSite
from tests.faults.site import Site


def with_server(site: MakeSite) -> Site:
    """Return a site of app1 whose logbook is kept on backup1."""
    here = site(scenarios.security_update(), "app1", "backup1")
    here.configure(patch_reboot="never", logbook_remote="logbook@backup1:logbook.git", logbook_host="backup1")
    here.lab.reset(["backup1"])
    here.by_hand("logbook.yml")
    return here


def git(here: Site, *words: str) -> str:
    command = ["git", "-C", str(here.folder / "logbook"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_a_record_is_off_host_and_what_is_not_goes_with_the_next_command(site: MakeSite) -> None:
    here = with_server(site)
    here.lab.cut("backup1")
    printed = here.invoke("patch", "--limit", "app1", "--yes")
    assert "not yet off-host" in printed
    assert here.record()["outcome"] == "verified"
    here.lab.mend("backup1")
    here.invoke("changes")
    assert "off-host (checked): nothing missing, nothing changed" in here.invoke("audit")
    assert "Good" in git(here, "log", "--show-signature", "--format=%h")

    other = here.clone("other")
    other.configure(patch_reboot="never", logbook_remote="logbook@backup1:logbook.git", logbook_host="backup1")
    assert here.record()["id"] in other.invoke("changes", "--json", operator="bert")
    assert "nothing changed" in other.invoke("audit", operator="bert")


def test_audit_names_what_was_tampered_with(site: MakeSite) -> None:
    here = with_server(site)
    here.invoke("patch", "--limit", "app1", "--yes")
    record = next((here.folder / "logbook").glob("changes/*/*/*/record.json"))
    forged = json.dumps(json.loads(record.read_text()) | {"operator": "bert"})
    Path(record).write_text(forged)
    assert "record.json" in here.invoke("audit", code=1)
    git(here, "checkout", "--", ".")
    git(
        here,
        "-c",
        "user.name=anna",
        "-c",
        "user.email=anna@bordbuch.invalid",
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "x",
    )
    assert "not signed" in here.invoke("audit", code=1)
