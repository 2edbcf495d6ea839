"""The parts of the site, each on the hosts that the inventory puts it on."""

import pytest
from testinfra.host import Host

from tests.host.expectations import Expected

CERTIFICATE, KEY = "/etc/ssl/bordbuch/host.crt", "/etc/ssl/bordbuch/host.key"
DAYS = 14
"""A certificate that ends sooner should have been renewed."""

PAGE = "http://127.0.0.1:8080/index/login.html"
ASK = ["runuser", "-u", "postgres", "--", "psql", "-XAtqc"]


def only_with(part: str, wanted: Expected) -> None:
    """Leave the check out where the inventory does not put *part* on the host."""
    if part not in wanted.parts:
        pytest.skip(f"no {part} here")


def listens(host: Host, port: int) -> set[str]:
    """Return the addresses at which something listens on *port*."""
    lines = host.check_output(f"ss -Hltn sport = :{port}").splitlines()
    return {line.split()[3].rpartition(":")[0] for line in lines}


def ask(host: Host, query: str) -> str:
    """Return what the database answers its superuser."""
    return str(host.check_output(" ".join([*ASK, "%s"]), query))


def test_certificate(host: Host, wanted: Expected) -> None:
    """The host's certificate is good for two weeks more, and its key is not for everybody."""
    only_with("certificate", wanted)
    assert host.run(f"openssl x509 -noout -checkend {DAYS * 86400} -in {CERTIFICATE}").rc == 0, (
        "it ends, or is not there"
    )
    assert host.file(KEY).mode & 0o007 == 0


def test_mail(host: Host, wanted: Expected) -> None:
    """Mail can be sent, and no mail waits for a day."""
    only_with("mail", wanted)
    assert host.file("/usr/sbin/sendmail").exists
    assert host.service("postfix").is_running
    old = host.check_output("find /var/spool/postfix/deferred -type f -mmin +1440").splitlines()
    assert old == [], f"{len(old)} mails wait"


def test_firewall(host: Host, wanted: Expected) -> None:
    """The firewall drops what nobody has allowed."""
    only_with("firewall", wanted)
    assert "policy drop" in host.run("nft list chain inet bordbuch input").stdout


def test_archive(host: Host, wanted: Expected) -> None:
    """The archive serves the site's own packages."""
    only_with("archive", wanted)
    assert host.service("bordbuch-archive").is_running


def test_pages(host: Host, wanted: Expected) -> None:
    """The pages are served, and stay closed to other accounts of the host."""
    only_with("pages", wanted)
    assert host.service("bordbuch-pages").is_running
    for folder in ("/var/lib/bordbuch-pages/site", "/etc/bordbuch-pages"):
        assert host.file(folder).mode & 0o007 == 0, folder


def test_application(host: Host, wanted: Expected) -> None:
    """The application answers from the database, and to the proxy only."""
    only_with("application", wanted)
    program = f"import urllib.request; urllib.request.urlopen({PAGE!r}, timeout=20)"
    done = host.run("python3 -c %s", program)
    assert done.rc == 0, done.stderr.strip().rpartition("\n")[2]
    assert listens(host, 8080) == {"127.0.0.1"}


def test_proxy(host: Host, wanted: Expected) -> None:
    """The proxy listens with TLS, and holds nobody back."""
    only_with("application", wanted)
    assert host.service("haproxy").is_running
    assert listens(host, 443)
    told = host.check_output("/usr/local/sbin/liquidfeedback-proxy status")
    assert "maintenance: off" in told, told


def test_votes_are_counted(host: Host, wanted: Expected) -> None:
    """The timer that counts votes runs."""
    only_with("application", wanted)
    assert host.service("liquidfeedback-update.timer").is_running
    assert host.service("liquidfeedback-update.timer").is_enabled


def test_database(host: Host, wanted: Expected) -> None:
    """The database checks its pages, asks for passwords by scram and speaks TLS."""
    only_with("database", wanted)
    settings = ("data_checksums", "password_encryption", "ssl")
    assert [ask(host, f"SHOW {name}") for name in settings] == ["on", "scram-sha-256", "on"]
