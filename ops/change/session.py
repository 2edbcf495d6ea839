"""Who acts, on which inventory, with which logbook: opened once per command, before anything else."""

import os
import shlex
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from ops import inventory as inventories
from ops.announce.announcer import Announcer
from ops.errors import BadInput, Refused
from ops.inventory import Inventory
from ops.logbook.operators import Operators
from ops.logbook.repository import Logbook, Signer

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Session:
    """One command's view: the inventory, its operators, the one who acts, the logbook, the folder of its spools, who is told."""

    inventory: Inventory
    operators: Operators
    operator: str
    logbook: Logbook
    spools: Path
    announcer: Announcer = field(default_factory=Announcer)


def open_session(path: Path) -> Session:
    """Open the inventory at *path* and its logbook.

    Raises:
        BadInput: the inventory, the operators or the signing key cannot be meant.
        Refused: the operator's office does not carry out changes.
    """
    inventory = inventories.load(path)
    operators = Operators.parse(inventory.operators, inventory.path)
    operator = acting_operator(inventory, operators)
    folder = logbook_folder(inventory)
    signer = Signer(operator, signing_key(inventory, operator))
    logbook = Logbook.open(
        folder, inventory.policy.logbook_remote, signer, operators.allowed_signers(), ssh_command(inventory, signer)
    )
    announcer = Announcer(inventory.policy.announce)
    return Session(inventory, operators, operator, logbook, folder.with_name("spool"), announcer)


def acting_operator(inventory: Inventory, operators: Operators) -> str:
    """Return who acts: ``BORDBUCH_OPERATOR``, else ``git config bordbuch.operator``, else the lab's first operator.

    Raises:
        BadInput: nobody is named, or somebody who is no operator.
        Refused: the operator's office does not carry out changes.
    """
    lab = inventory.policy.logbook_keys and next(iter(operators.names()), "")
    name = os.environ.get("BORDBUCH_OPERATOR") or git_config("bordbuch.operator") or lab
    if inventory.policy.logbook_keys and not operators.names():
        raise BadInput("this lab has no operators yet", next_step="invoke lab.up makes their keys")
    if not name:
        raise BadInput("it is not known who you are", next_step="git config bordbuch.operator YOUR-LOGIN")
    if name not in operators.names():
        raise BadInput(
            f"{name} is no operator of {inventory.path}", next_step=f"operators are: {', '.join(operators.names())}"
        )
    if not operators.may_change(name):
        raise Refused(f"the office of {name} does not carry out changes", left="nothing was touched")
    return name


def signing_key(inventory: Inventory, operator: str) -> Path:
    """Return the key that *operator* signs with: the lab's, else ``git config user.signingkey``.

    Raises:
        BadInput: there is none, or its file is missing.
    """
    folder = inventory.policy.logbook_keys
    key = Path(folder) / operator if folder else Path(git_config("user.signingkey")).expanduser()
    if not key.is_file():
        raise BadInput(
            f"{operator} has no signing key at {key}", next_step="git config user.signingkey ~/.ssh/id_ed25519"
        )
    return key


def logbook_folder(inventory: Inventory) -> Path:
    """Return where this machine keeps its clone of the logbook of *inventory*."""
    if inventory.policy.logbook_path:
        return Path(inventory.policy.logbook_path)
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local/share")
    return Path(data) / "bordbuch" / inventory.path.resolve().name / "logbook"


def ssh_command(inventory: Inventory, signer: Signer) -> str:
    """Return how git reaches the logbook's host: as Ansible does, with the operator's own key, known host keys only."""
    host = inventory.hosts.get(inventory.policy.logbook_host)
    arguments = shlex.split(host.ssh_arguments) if host else []
    fixed = [
        "-i",
        str(signer.key),
        "-o",
        "IdentitiesOnly=yes",
        "-o",
        "BatchMode=yes",
        "-o",
        "StrictHostKeyChecking=yes",
    ]
    return shlex.join(["ssh", *arguments, *fixed, "-o", "ControlPath=none", "-o", "ConnectTimeout=10"])


def git_config(name: str) -> str:
    """Return the value of the git setting *name*, empty where it is not set."""
    done = subprocess.run(
        ["git", "-C", str(ROOT), "config", "--get", name],
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout.strip()
