"""Packages that do one thing that packages do: run a service, bring a kernel, ask, fail, take their time."""

from typing import Any

from tests.archive.package import Package, machine_architecture

_RESTART = """\
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl enable --quiet {name}.service
    systemctl restart {name}.service
fi
"""
_REMOVE = """\
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl disable --quiet --now {name}.service
fi
"""


def service(name: str, version: str, **more: Any) -> Package:
    """Return a package whose service runs for ever, and is restarted whenever the package is configured."""
    program = f"/usr/lib/{name}/{name}d"
    unit = f"[Unit]\nDescription={name}\n[Service]\nExecStart={program}\n[Install]\nWantedBy=multi-user.target\n"
    files = {program: f"#!/bin/sh\n# {version}\nexec sleep infinity\n", f"/usr/lib/systemd/system/{name}.service": unit}
    scripts = {
        "postinst": _RESTART.format(name=name),
        "prerm": _REMOVE.format(name=name),
    }
    files |= more.pop("files", {})
    return Package(name, version, files=files, executables=(program,), scripts=scripts, **more)


def slow(name: str, version: str, seconds: float, **more: Any) -> Package:
    """Return a package whose postinst takes *seconds*."""
    return Package(name, version, scripts={"postinst": f"sleep {seconds}"}, **more)


def failing(name: str, version: str, **more: Any) -> Package:
    """Return a package whose postinst fails, until ``/etc/test-archive-passes`` exists."""
    postinst = f'test -e /etc/test-archive-passes || {{ echo "{name}: postinst fails" >&2; exit 1; }}'
    return Package(name, version, scripts={"postinst": postinst}, **more)


def reading(name: str, version: str, **more: Any) -> Package:
    """Return a package whose postinst waits for a line from the terminal or whatever else its input is."""
    # End of input is an answer, too: the package must not fail for want of a terminal.
    return Package(name, version, scripts={"postinst": "printf 'Go on? '; read -r answer || true"}, **more)


def asking(name: str, version: str, **more: Any) -> Package:
    """Return a package that asks through debconf, and writes the answer to ``/var/lib/NAME.answer``."""
    load = ". /usr/share/debconf/confmodule\n"
    scripts = {
        "templates": f"Template: {name}/go\nType: boolean\nDefault: false\nDescription: Go on?\n Of the tests.\n",
        # debconf says 30 for a question that it does not show, which is no failure (debconf-devel(7)).
        "config": load + f"db_input critical {name}/go || true\ndb_go || true",
        "postinst": load + f'db_get {name}/go\necho "$RET" >/var/lib/{name}.answer',
    }
    return Package(name, version, scripts=scripts, fields={"Depends": "debconf"}, **more)


def kernel(abi: str, version: str, **more: Any) -> tuple[Package, Package]:
    """Return a kernel and the metapackage that depends on it: ``kernel("6.1.0-99", "6.1.200-1")``."""
    architecture = machine_architecture()
    release = f"{abi}-{architecture}"
    source = {"Source": f"linux-signed-{architecture} ({version})", "Section": "kernel"}
    image = Package(
        f"linux-image-{release}",
        version,
        architecture="any",
        fields=source,
        files={f"/boot/vmlinuz-{release}": "kernel\n", f"/usr/lib/modules/{release}/modules.builtin": ""},
        **more,
    )
    meta_fields = source | {"Depends": f"{image.name} (= {version})"}
    meta = Package(f"linux-image-{architecture}", version, architecture="any", fields=meta_fields, **more)
    return image, meta
