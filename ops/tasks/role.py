"""Making a new role."""

import re
from pathlib import Path

from invoke import Collection, Context

from ops import terminal
from ops.docs import roles
from ops.errors import BadInput
from ops.tasks.command import command
from ops.tasks.docs import write

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / ".config" / "role"
PLACEHOLDER, ENDING = "ROLE_NAME", ".in"
_INDEX = re.compile(r"^- Roles: .*?(?=\.$)", re.MULTILINE | re.DOTALL)
NOT_A_NAME = ("all", "default", "files", "molecule", "roles", "site", "tasks", "templates", "vars")
"""Words that mean something else to the commands and to Ansible."""


@command(positional=["name"], help={"name": "of the role: small letters, digits and _, e.g. dovecot"})
def new(c: Context, name: str) -> None:
    """Make a new role with variables, README, a Molecule scenario and a test, which pass as they are.

    Refuses a name that is taken or that cannot be one. Add the role to a play of playbooks/site.yml yourself.

    Example: invoke role.new dovecot
    """
    for path in make(ROOT, name):
        terminal.say(f"Written: {path.relative_to(ROOT)}")
    terminal.say(f"To test it: invoke molecule {name}. To use it: add a play to playbooks/site.yml.")


def make(root: Path, name: str) -> list[Path]:
    """Make the role *name* in the checkout *root* and return the files that were written.

    Raises:
        BadInput: the name cannot be one, or is taken.
    """
    refuse(root, name)
    folder = root / "roles" / name
    texts = {folder / path: text for path, text in filled(TEMPLATE, name).items()}
    for path, text in texts.items():
        write(path, text)
    write(folder / "README.md", roles.readme(folder))
    return [*texts, *indexed(root, name)]


def refuse(root: Path, name: str) -> None:
    """Raise ``BadInput`` for a *name* that no new role can have."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{1,30}", name) or name in NOT_A_NAME:
        raise BadInput(
            f"{name!r} cannot be the name of a role",
            left="nothing was written",
            next_step="use 2 to 31 small letters, digits and _, beginning with a letter",
        )
    if (root / "roles" / name).exists():
        raise BadInput(f"there is a role {name} already", left="nothing was written", next_step="choose another name")


def filled(template: Path, name: str) -> dict[Path, str]:
    """Return path → text of the files in *template*, with *name* filled in."""
    files = sorted(path for path in template.rglob(f"*{ENDING}") if path.is_file())
    return {
        Path(str(path.relative_to(template)).removesuffix(ENDING).replace(PLACEHOLDER, name)): path.read_text(
            encoding="utf-8"
        ).replace(PLACEHOLDER, name)
        for path in files
    }


def indexed(root: Path, name: str) -> list[Path]:
    """Name the role in the index of the documentation and return the file, if it has the line for it."""
    index = root / "docs" / "README.md"
    text = index.read_text(encoding="utf-8")
    longer = _INDEX.sub(lambda line: f"{line[0]},\n  [{name}](../roles/{name}/README.md)", text, count=1)
    return [index] if write(index, longer) else []


namespace = Collection("role", new)
