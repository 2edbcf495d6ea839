"""Two hosts know each other by the authority's certificate, and no key is where it does not belong."""

from collections.abc import Iterator

import pytest
import testinfra
from testinfra.host import Host

FOLDER = "/etc/ssl/bordbuch"
AUTHORITY = "bookworm"
PORT = "4433"


@pytest.fixture
def other(host: Host) -> Host:
    """Return the host that *host* talks to."""
    name = "trixie" if host.backend.host == "bookworm" else "bookworm"
    backend = host.backend
    return testinfra.get_host(
        f"ansible://{name}",
        ansible_inventory=backend.ansible_inventory,
        ssh_config=backend.ssh_config,
    )


@pytest.fixture
def server(other: Host) -> Iterator[str]:
    """Serve TLS on the other host with its certificate, by a user that is in the group of those who may read keys."""
    other.check_output(
        "systemd-run --quiet --unit=tls-probe --property=DynamicUser=yes --property=SupplementaryGroups=ssl-cert "
        f"openssl s_server -accept {PORT} -cert {FOLDER}/host.crt -key {FOLDER}/host.key -CAfile {FOLDER}/ca.crt -www"
    )
    yield other.backend.host
    other.check_output("systemctl stop tls-probe")


def handshake(host: Host, address: str, name: str, authority: str = f"-CAfile {FOLDER}/ca.crt") -> int:
    return host.run(
        f"for i in 1 2 3 4 5; do openssl s_client -connect {address}:{PORT} {authority} -verify_hostname {name} "
        "-verify_return_error </dev/null >/run/answer 2>&1 && exit 0; grep -q 'Connection refused' /run/answer || exit 1; "
        "sleep 1; done; exit 2"
    ).rc


def test_each_host_trusts_the_other_by_its_name_only(host: Host, server: str) -> None:
    assert handshake(host, server, server) == 0
    assert handshake(host, server, "elsewhere") == 1
    assert handshake(host, server, server, "-CAfile /dev/null") == 1


def test_files_belong_to_whom_they_should(host: Host) -> None:
    listing = host.check_output(f"cd {FOLDER} && stat -c '%n %U:%G %a' host.key host.crt ca.crt").splitlines()
    assert listing == ["host.key root:ssl-cert 640", "host.crt root:root 644", "ca.crt root:root 644"]


def test_only_the_signing_host_has_the_authority(host: Host) -> None:
    folder = host.file(f"{FOLDER}/authority")
    assert folder.exists == (host.backend.host == AUTHORITY)
    if folder.exists:
        assert (folder.user, folder.mode) == ("root", 0o700)
        key = host.file(f"{FOLDER}/authority/ca.key")
        assert (key.user, key.group, key.mode) == ("root", "root", 0o600)


def test_a_key_is_on_no_other_host(host: Host, other: Host) -> None:
    line = host.check_output(f"sed -n 2p {FOLDER}/host.key")
    assert len(line) == 64
    found = other.run(f"grep -rlsF {line} /etc /root /tmp /var /run --exclude-dir=cgroup")
    assert found.stdout == ""
    assert host.run(f"grep -rlsF {line} /etc /root /tmp /var").stdout.split() == [f"{FOLDER}/host.key"]


def test_a_host_is_no_authority(host: Host) -> None:
    text = host.check_output(f"openssl x509 -in {FOLDER}/host.crt -noout -text")
    assert "CA:FALSE" in text
    assert "Certificate Sign" not in text
    assert host.check_output(f"grep -c BEGIN {FOLDER}/host.crt") == "1"
