"""Keys of operators are renewed and lost, and people leave: as docs/howto/change-operators-and-keys.md has it, on hosts."""

import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.faults.site import Site

pytestmark = pytest.mark.timeout(1200)  # five deploys to two hosts
TAGS = "base:operators,logbook:operators"
SERVER = {"logbook_remote": "logbook@backup1:logbook.git", "logbook_host": "backup1", "patch_reboot": "never"}


def make_key(here: Site, name: str) -> dict[str, str]:
    """Make a key pair in the folder of this test's keys and return it as the inventory has it."""
    folder = here.folder / "keys"
    folder.mkdir(mode=0o700, exist_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)], check=True)
    return {"public": (folder / f"{name}.pub").read_text(encoding="utf-8").strip()}


def person(name: str, *keys: dict[str, str], **more: str) -> dict[str, Any]:
    return {"name": name, "office": "administration", "state": "present", "keys": [*keys], **more}


def configure(here: Site, *people: dict[str, Any]) -> None:
    here.configure(**SERVER, logbook_keys=str(here.folder / "keys"), operators=[*people])


def deploy(here: Site, reason: str, operator: str = "anna") -> None:
    said = here.invoke("deploy", "--yes", "--tags", TAGS, "--reason", reason, operator=operator)
    assert "verified" in said
    assert "off-host" in said


def gets_in(here: Site, name: str, key: str, host: str = "app1") -> bool:
    """Return whether *key* opens the account *name* on a host."""
    options = ["-o", "IdentitiesOnly=yes", "-o", "ControlPath=none", "-o", "BatchMode=yes", "-l", name]
    command = ["ssh", "-F", str(here.lab.ssh_config), *options, "-i", str(here.folder / "keys" / key), host, "true"]
    return not subprocess.run(command, capture_output=True, timeout=60, check=False).returncode


def signs_with(here: Site, name: str, key: str) -> None:
    """Have the operator *name* sign with *key* from now on."""
    for suffix in ("", ".pub"):
        shutil.copy(here.folder / "keys" / f"{key}{suffix}", here.folder / "keys" / f"{name}{suffix}")


def now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def assert_good(here: Site) -> None:
    assert "off-host (checked): nothing missing, nothing changed" in here.invoke("audit")


def test_a_key_is_renewed_an_operator_leaves_and_a_lost_key_opens_nothing(bare: Callable[..., Site]) -> None:
    here = bare("app1", "backup1")
    old, new, berts = (make_key(here, name) for name in ("anna-old", "anna-new", "bert"))
    signs_with(here, "anna", "anna-old")
    configure(here, person("anna", old), person("bert", berts))
    here.by_hand("logbook.yml")
    deploy(here, "anna and bert")
    assert gets_in(here, "anna", "anna-old")
    assert gets_in(here, "bert", "bert")

    configure(here, person("anna", old, new), person("bert", berts))
    deploy(here, "a key of anna is renewed", operator="bert")
    assert gets_in(here, "anna", "anna-old")
    assert gets_in(here, "anna", "anna-new")
    signs_with(here, "anna", "anna-new")

    gone = person("bert", {**berts, "valid_until": now()}, state="absent")
    configure(here, person("anna", old, new), gone)
    deploy(here, "bert leaves")
    assert not gets_in(here, "bert", "bert")
    assert_good(here)

    configure(here, person("anna", {**old, "valid_until": now()}, new), gone)
    deploy(here, "anna's old laptop is lost")
    assert not gets_in(here, "anna", "anna-old")
    assert gets_in(here, "anna", "anna-new")
    assert_good(here)

    signs_with(here, "anna", "anna-old")
    here.by_hand("logbook.yml")
    assert "Permission denied" in here.invoke("changes"), "the server does not let it in"
    signs_with(here, "anna", "anna-new")
    said = here.invoke("audit", code=1)
    assert "is signed by a key of anna that counts" in said, "the entry that was made with it is named"

    (here.folder / "logbook").rename(here.folder / "logbook.refused")
    assert_good(here)
