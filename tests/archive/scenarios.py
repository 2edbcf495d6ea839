"""What a host has and what the archive then offers, ready-made: one line in a test.

arrange(archive, ssh_config, {"app1": "bookworm", "db1": "trixie"}, scenarios.security_update())
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tests.archive import parts
from tests.archive.hosts import run_on, use_script
from tests.archive.package import Package, machine_architecture
from tests.archive.server import Archive
from tests.archive.suite import RELEASES, Suite

OLD, NEW, NEWER = "1.0-1", "1.0-1+deb1", "1.0-1+deb2"


@dataclass(frozen=True)
class Scenario:
    """A starting point.

    Args:
        installed: in the main suite from the start, and installed.
        automatic: names of those that count as installed automatically.
        prepare: shell script that runs on the host after that.
        main: what the main suite offers in addition afterwards.
        security: what the security suite offers afterwards.
    """

    installed: tuple[Package, ...]
    automatic: tuple[str, ...] = ()
    prepare: str = ""
    main: tuple[Package, ...] = ()
    security: tuple[Package, ...] = ()


def security_update(names: tuple[str, ...] = ("alpha", "beta")) -> Scenario:
    """Each of *names* has a security update that fixes a CVE; the last was installed automatically."""
    old = tuple(parts.service(name, OLD) for name in names)
    new = tuple(_next(package, f"CVE-2026-{1000 + n}") for n, package in enumerate(old))
    return Scenario(old, automatic=names[-1:], security=new)


def ordinary_update() -> Scenario:
    """Package ``alpha`` has an update in the main suite, none in the security suite."""
    old = parts.service("alpha", OLD)
    return Scenario((old,), main=(_next(old),))


def configuration_file_change() -> Scenario:
    """``/etc/alpha.conf`` of package ``alpha`` was changed by hand, and the security update brings a new one."""
    old = Package("alpha", OLD, files={"/etc/alpha.conf": "colour = red\n"})
    new = old.to(NEW, "CVE-2026-1000", files={"/etc/alpha.conf": "colour = blue\n"})
    return Scenario((old,), prepare="echo 'colour = mine' >/etc/alpha.conf", security=(new,))


def removal() -> Scenario:
    """The security update of ``alpha`` conflicts with ``beta``, which is installed and has an update of its own."""
    alpha, beta = Package("alpha", OLD), Package("beta", OLD)
    new = alpha.to(NEW, "CVE-2026-1000", fields={"Conflicts": "beta"})
    return Scenario((alpha, beta), security=(new, beta.to(NEW, "CVE-2026-1001")))


def new_dependency() -> Scenario:
    """The security update of ``alpha`` depends on ``gamma``, which is not installed: ``upgrade`` keeps it back."""
    old = Package("alpha", OLD)
    new = old.to(NEW, "CVE-2026-1000", fields={"Depends": "gamma"})
    return Scenario((old,), security=(new, Package("gamma", NEW)))


def kept_back() -> Scenario:
    """The security update of ``alpha`` depends on ``gamma``, which no suite has; ``beta``'s can be installed."""
    alpha, beta = Package("alpha", OLD), Package("beta", OLD)
    new = alpha.to(NEW, "CVE-2026-1000", fields={"Depends": "gamma"})
    return Scenario((alpha, beta), security=(new, beta.to(NEW, "CVE-2026-1001")))


def new_kernel(*, held: bool = False) -> Scenario:
    """The kernel's metapackage depends on a new kernel package; *held* puts a hold on the metapackage."""
    old, new = parts.kernel("6.1.0-98", "6.1.100-1"), parts.kernel("6.1.0-99", "6.1.200-1", fixes=("CVE-2026-1000",))
    hold = f"apt-mark hold linux-image-{machine_architecture()}"
    return Scenario(old, automatic=(old[0].name,), prepare=hold if held else "", security=new)


def held_kernel() -> Scenario:
    """As :func:`new_kernel`, with the metapackage held, and a security update of ``alpha`` that goes on all the same."""
    kernel, alpha = new_kernel(held=True), Package("alpha", OLD)
    security = (*kernel.security, alpha.to(NEW, "CVE-2026-1001"))
    return replace(kernel, installed=(*kernel.installed, alpha), security=security)


def slow_update(seconds: float = 20) -> Scenario:
    """The security update of ``alpha`` takes *seconds* in its postinst; ``beta`` has one, too."""
    old = Package("alpha", OLD), Package("beta", OLD)
    new = parts.slow("alpha", NEW, seconds, fixes=("CVE-2026-1000",), history=((OLD, ()),))
    return Scenario(old, security=(new, _next(old[1], "CVE-2026-1001")))


def failing_update() -> Scenario:
    """The security update of ``alpha`` fails in its postinst; ``beta``'s works."""
    old = Package("alpha", OLD), Package("beta", OLD)
    new = parts.failing("alpha", NEW, fixes=("CVE-2026-1000",), history=((OLD, ()),))
    return Scenario(old, security=(new, _next(old[1], "CVE-2026-1001")))


def questions() -> Scenario:
    """The security update of ``alpha`` asks through debconf, that of ``beta`` reads from its input."""
    old = Package("alpha", OLD), Package("beta", OLD)
    return Scenario(old, security=(parts.asking("alpha", NEW), parts.reading("beta", NEW)))


def several() -> Scenario:
    """Five packages with dependencies among them, all with security updates: ``app`` needs exactly its ``lib``s."""
    return Scenario(_several(OLD), automatic=("lib-core", "lib-text"), security=_several(NEW, "CVE-2026-1000"))


def _several(version: str, *fixes: str) -> tuple[Package, ...]:
    exact = {"Depends": f"lib-core (= {version})"}
    return (
        Package("lib-core", version, architecture="any", fixes=fixes),
        Package("lib-text", version, fields=exact, fixes=fixes),
        Package("tool", version, fields={"Depends": "lib-text"}, fixes=fixes),
        Package("data", version, fixes=fixes, padding_bytes=100_000),
        parts.service("app", version, fields={"Depends": f"lib-text (= {version}), tool, data"}, fixes=fixes),
    )


def moved_on(scenario: Scenario) -> Scenario:
    """*scenario* with still newer security updates: publish it between plan and apply."""
    return replace(scenario, security=tuple(map(_newer, scenario.security)))


def _newer(package: Package) -> Package:
    version = NEWER if package.version == NEW else f"{package.version}+deb2"
    fields = {name: text.replace(f"(= {package.version})", f"(= {version})") for name, text in package.fields.items()}
    return package.to(version, "CVE-2026-2000", fields=fields)


def _next(package: Package, *fixes: str) -> Package:
    if f"/usr/lib/systemd/system/{package.name}.service" in package.files:
        return parts.service(package.name, NEW, fixes=fixes, history=((package.version, package.fixes),))
    return package.to(NEW, *fixes)


def publish(archive: Archive, scenario: Scenario, *, updates: bool = True) -> None:
    """Publish what *scenario* offers, with or without its *updates*, for both releases."""
    main = (*scenario.installed, *scenario.main) if updates else scenario.installed
    security = scenario.security if updates else ()
    for release in RELEASES:
        archive.publish(Suite(release, main), Suite(release, security, security=True))


def arrange(archive: Archive, ssh_config: Path, hosts: Mapping[str, str], scenario: Scenario) -> None:
    """Bring *hosts* (name → release) to the scenario's start: its updates are published and not yet fetched."""
    publish(archive, scenario, updates=False)
    for host, release in hosts.items():
        run_on(ssh_config, host, use_script(archive.url, release, [archive.key]) + _install(scenario))
    publish(archive, scenario)


def _install(scenario: Scenario) -> str:
    # Exact versions: a host that has newer ones from a former scenario must not silently keep them.
    names = " ".join(f"{package.name}={package.version}" for package in scenario.installed)
    automatic = " ".join(scenario.automatic)
    mark = f"apt-mark auto {automatic}\n" if automatic else ""
    return f"apt-get update -qq\napt-get install -qq -y --allow-downgrades {names}\n{mark}{scenario.prepare}\n"
