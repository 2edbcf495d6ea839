"""A first backup and a drill of it, which all tests look at."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import testinfra
from hosts import Work, start
from testinfra.host import Host


@pytest.fixture(scope="module")
def database(host: Host) -> Host:
    """Return the host of the database that *host* keeps backups of."""
    name = host.backend.host.replace("repo", "db")
    return testinfra.get_host(
        f"ansible://{name}", ansible_inventory=host.backend.ansible_inventory, ssh_config=host.backend.ssh_config
    )


DONE: dict[str, Work] = {}


@pytest.fixture(scope="module")
def work(host: Host, database: Host) -> Work:
    """Let the units do what they do by the clock, once on each host."""
    name = host.backend.host
    if name not in DONE:
        DONE[name] = worked(host, database)
    return DONE[name]


def worked(host: Host, database: Host) -> Work:
    """Make a first backup and drill it, with the processes watched meanwhile."""
    with watched(host, database) as seen:
        backup, drill = start(host, "bordbuch-backup@full"), start(host, "bordbuch-drill")
        database.check_output("sleep 1; : control-Marker-of-this")
    return Work(backup, drill, seen)


@contextmanager
def watched(*hosts: Host) -> Iterator[set[str]]:
    """Look meanwhile at what every process was called with; what looks like the passphrase is there at the end."""
    look = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ; sleep 0.1"
    watch = f"while :; do {look}; done 2>/dev/null | grep --line-buffered -zaoE '[a-z]+-Mark[e]r-[a-z-]+' > /run/seen"
    seen: set[str] = set()
    for one in hosts:
        one.check_output("systemd-run --quiet --unit=probe-processes sh -c %s", watch)
    yield seen
    for one in hosts:
        one.check_output("systemctl stop probe-processes")
        seen |= set(re.findall(r"[a-z]+-Marker-[a-z-]+", one.file("/run/seen").content_string))
