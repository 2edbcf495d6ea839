#!/usr/bin/python3
"""Read who may do what on a host: accounts, keys, sudo, database roles. Changes nothing, and keeps no secret."""

from __future__ import annotations

import grp
import json
import pwd
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.bordbuch import access, state

DOCUMENTATION = r"""
module: access_facts
short_description: Read who may do what on a host
description:
  - Reads the accounts that somebody can use, with the state of their password (never the password or its hash), the fingerprints of
    the keys that sshd accepts for them (never the comments), the rules of sudo, and the roles of each PostgreSQL server.
  - A part that cannot be read is left out, with the reason in C(unknown). Nothing is changed.
options:
  database_roles:
    description:
      - Name, attributes and memberships of each role that the inventory and the role postgresql give the host's server. They are
        told back as C(wanted), so that a record holds both sides.
    type: list
    elements: list
    default: []
author: Bordbuch
"""

EXAMPLES = r"""
- name: Read who may do what
  access_facts:
"""

RETURN = r"""
bordbuch:
  description: C(accounts), C(sudo), C(databases), C(wanted), and C(unknown) with the reason by part.
  type: dict
  returned: always
"""

SHADOW, SUDOERS, CLUSTERS = Path("/etc/shadow"), Path("/etc/sudoers"), Path("/etc/postgresql")
SSHD = "/usr/sbin/sshd"
"""By its path: an account without root's search path runs it under sudo, too."""

ROLES = """
SELECT coalesce(json_agg(json_build_object(
  'name', rolname, 'login', rolcanlogin, 'superuser', rolsuper, 'createrole', rolcreaterole, 'createdb', rolcreatedb,
  'replication', rolreplication, 'bypassrls', rolbypassrls,
  'member_of', ARRAY(SELECT given.rolname::text FROM pg_auth_members JOIN pg_roles given ON given.oid = roleid
                     WHERE member = one.oid ORDER BY 1)) ORDER BY rolname), '[]')
FROM pg_roles one WHERE rolname !~ '^pg_'
"""
"""PostgreSQL's own roles begin with pg_, and nobody can make others that do."""


def sudo() -> list[dict[str, Any]]:
    """Return the rules of sudo, none where it is not installed.

    Raises:
        OSError: they cannot be read.
    """
    if not SUDOERS.exists():
        return []
    done = state.run(["cvtsudoers", "-e", "-f", "json", str(SUDOERS)])
    if done.returncode:
        raise OSError(f"cvtsudoers: {done.stderr.strip()[:200]}")
    return list(access.rules(json.loads(done.stdout), members))


def members(kind: str, name: str) -> list[str]:
    """Return the accounts that an entry of a rule stands for; those of a netgroup or of everybody are not told one by one."""
    people = pwd.getpwall()
    if kind == "username":
        return [] if name == "ALL" else [name]
    if kind == "userid":
        return [one.pw_name for one in people if str(one.pw_uid) == name]
    field = {"usergroup": "gr_name", "usergid": "gr_gid"}.get(kind)
    groups = [one for one in grp.getgrall() if field and str(getattr(one, field)) == name]
    first = {one.pw_name for one in people if one.pw_gid in {group.gr_gid for group in groups}}
    return sorted(first.union(*(group.gr_mem for group in groups)))


def keys(one: pwd.struct_passwd) -> list[dict[str, Any]]:
    """Return the keys that sshd accepts for an account.

    Raises:
        OSError: sshd's settings cannot be read, or it asks somewhere else than in files, too.
    """
    connection = f"user={one.pw_name},host=localhost,addr=127.0.0.1,laddr=127.0.0.1,lport=22"
    done = state.run([SSHD, "-T", "-C", connection])
    if done.returncode:
        raise OSError(f"sshd -T: {done.stderr.strip()[:200]}")
    if others := access.other_ways(done.stdout):
        raise OSError(f"sshd asks for keys by {' and '.join(others)}, too")
    files = access.key_files(done.stdout, one.pw_name, one.pw_uid, one.pw_dir)
    return [key for path in files for key in access.keys(content(Path(path)), time.time())]


def content(path: Path) -> str:
    """Return the text at *path*, empty if there is none: an account's home may be any path."""
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def accounts(by_sudo: set[str]) -> list[dict[str, Any]]:
    """Return the accounts that somebody can use: with a shell, with a key, or with a rule of sudo, as *by_sudo* names them."""
    shadow = access.passwords(SHADOW.read_text(encoding="utf-8"), time.time())
    rows = [(one, keys(one)) for one in sorted(pwd.getpwall())]
    return [
        account(one, known, *shadow.get(one.pw_name, ("locked", False)))
        for one, known in rows
        if access.has_shell(one.pw_shell) or known or one.pw_name in by_sudo
    ]


def account(one: pwd.struct_passwd, known: list[dict[str, Any]], password: str, expired: bool) -> dict[str, Any]:
    """Return what is told of an account."""
    return {
        "name": one.pw_name,
        "uid": one.pw_uid,
        "shell": access.has_shell(one.pw_shell),
        "password": password,
        "expired": expired,
        "keys": known,
    }


def databases() -> list[dict[str, Any]]:
    """Return the roles of each PostgreSQL server of this host.

    Raises:
        OSError: one does not answer.
    """
    paths = sorted(CLUSTERS.glob("*/*/postgresql.conf"))
    return [{"cluster": name, "roles": roles(name)} for name in (f"{p.parts[-3]}/{p.parts[-2]}" for p in paths)]


def roles(cluster: str) -> list[dict[str, Any]]:
    """Return the roles of *cluster* (``17/main``).

    Raises:
        OSError: it does not answer.
    """
    form = ["runuser", "-u", "postgres", "--", "psql", "--cluster", cluster, "-XAtq", "-v", "ON_ERROR_STOP=1"]
    done = state.run([*form, "-d", "postgres", "-c", ROLES])
    if done.returncode:
        raise OSError(f"PostgreSQL {cluster} does not answer: {done.stderr.strip()[:200]}")
    return list(json.loads(done.stdout))


def look(wanted: list[list[Any]]) -> dict[str, Any]:
    """Return each part, and for those that cannot be read, why: one that breaks does not hide the others."""
    rows = [dict(zip(("name", "attributes", "member_of"), row, strict=True)) for row in wanted]
    found: dict[str, Any] = {"unknown": {}, "wanted": rows}
    parts: dict[str, Callable[[], Any]] = {
        "sudo": sudo,
        "accounts": lambda: accounts({name for rule in found.get("sudo", ()) for name in rule["accounts"]}),
        "databases": databases,
    }
    for name, read in parts.items():
        try:
            found[name] = read()
        except Exception as error:  # whatever it was, the reader learns of it and of all the rest
            found["unknown"][name] = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return found


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={"database_roles": {"type": "list", "elements": "list", "default": []}}, supports_check_mode=True
    )
    module.exit_json(changed=False, bordbuch=look(module.params["database_roles"]))


if __name__ == "__main__":
    main()
