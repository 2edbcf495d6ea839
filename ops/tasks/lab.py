"""The lab: disposable Debian hosts on this machine."""

from invoke import Context

from ops import terminal
from ops.errors import BadInput
from ops.lab import Lab
from ops.lab.lab import interactive_shell
from ops.lab.names import default_hosts, parse_hosts
from ops.tasks.command import command

COLUMNS = ("Host", "Release", "Address", "State")


@command(
    help={
        "hosts": "name=release of each host, e.g. app1=bookworm,db1=trixie",
        "database_release": "release of db1 and backup1 of the default three, the other one for app1",
    }
)
def up(c: Context, hosts: str = "", database_release: str = "") -> None:
    """Start the lab's hosts, or those that are missing, and wait until they are ready.

    Example: invoke lab.up
    """
    lab = Lab.here()
    started = lab.up(_wanted(hosts, database_release))
    _show(lab)
    terminal.say("The lab is up." if started else "The lab was up already.")


def _wanted(hosts: str, database_release: str) -> dict[str, str] | None:
    if hosts and database_release:
        raise BadInput("--hosts names each host's release; --database-release is for the default three hosts")
    if hosts:
        return parse_hosts(hosts)
    return default_hosts(database_release) if database_release else None


@command(name="list", help={"json": "print JSON"})
def list_(c: Context, json: bool = False) -> None:
    """Show the lab's hosts, their releases, addresses and states.

    Example: invoke lab.list
    """
    lab = Lab.here()
    if json:
        terminal.data([{**vars(host), "address": str(host.address)} for host in lab.hosts()])
    elif lab.hosts():
        _show(lab)
    else:
        terminal.say("The lab is down. To start it: invoke lab.up")


@command(help={"host": "the host's name, e.g. app1"})
def ssh(c: Context, host: str) -> None:
    """Open a root shell on a host of the lab.

    Example: invoke lab.ssh app1
    """
    interactive_shell(Lab.here(), host)


@command()
def down(c: Context) -> None:
    """End the lab and remove everything it left on this machine; keys and logbook stay.

    Example: invoke lab.down
    """
    Lab.here().down()
    terminal.say("The lab is down. Nothing of it is left on this machine but its keys and its logbook.")


@command(help={"hosts": "names, e.g. app1,db1; all when none are named"})
def reset(c: Context, hosts: str = "") -> None:
    """Give hosts a fresh disk and new host keys, in seconds.

    Example: invoke lab.reset --hosts app1
    """
    lab = Lab.here()
    with terminal.progress("Resetting lab hosts"):
        lab.reset(hosts.split(",") if hosts else None)
    _show(lab)


def _show(lab: Lab) -> None:
    rows = [(host.name, host.release, str(host.address), host.state) for host in lab.hosts()]
    terminal.table("Lab", COLUMNS, rows)
