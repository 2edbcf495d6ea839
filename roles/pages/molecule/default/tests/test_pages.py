"""The pages on both releases: who gets what, what goes live, what stays closed on the host."""

import json

import pytest
from testinfra.host import Host

HOME = "/var/lib/bordbuch-pages"
AUDITOR = "auditor:auditor'\\''s:secret#1%"
CURL = "curl -si --max-time 10 --cacert /etc/ssl/bordbuch/ca.crt"


def ask(host: Host, path: str, login: str = "") -> str:
    """Return headers and page; *login* is written for a shell, between single quotes."""
    known = f"-u '{login}'" if login else ""
    return host.check_output(f"{CURL} --path-as-is {known} 'https://pages.test:8443{path}'")


def status(answer: str) -> int:
    return int(answer.split()[1])


def test_each_office_reads_with_its_password_only(host: Host) -> None:
    assert status(ask(host, "/")) == 401
    assert "third" in ask(host, "/", AUDITOR)
    assert "third" in ask(host, "/", "administration:administration-secret")
    for wrong in ("auditor:administration-secret", "auditor:", "nobody:x", ":"):
        assert status(ask(host, "/", wrong)) == 401


@pytest.mark.parametrize(
    "path", ["/status", "/status/../index.html", "/status/%2e%2e/index.html", "/STATUS/", "/made.json"]
)
def test_nothing_but_the_status_page_is_public(host: Host, path: str) -> None:
    assert status(ask(host, path)) == 401
    answer = ask(host, "/status/")
    assert status(answer) == 200
    assert "news" in answer


def test_what_says_of_what_a_release_is_made_is_not_served(host: Host) -> None:
    for path in ("/made.json", "/../made.json", "/%2e%2e/made.json"):
        assert status(ask(host, path, AUDITOR)) in (400, 403, 404)


def test_headers(host: Host) -> None:
    private, public = ask(host, "/", AUDITOR).lower(), ask(host, "/status/").lower()
    assert "cache-control: no-store" in private
    assert "script-src 'self'" in private
    assert "script-src" not in public
    for answer in (private, public):
        assert "default-src 'none'" in answer
        assert "x-content-type-options: nosniff" in answer
        assert "\nserver:" not in answer


def test_there_is_nothing_without_tls(host: Host) -> None:
    assert host.run("curl -s --max-time 5 http://127.0.0.1:8443/status/").rc != 0


def test_the_release_from_before_stays_and_older_ones_go(host: Host) -> None:
    assert len(host.check_output(f"ls -A {HOME}/site/releases").split()) == 2
    try:
        host.run_expect([0], "bordbuch-pages back")
        assert "second" in host.check_output(f"cat {HOME}/site/live/site/index.html")
    finally:
        host.run_expect([0], "bordbuch-pages live /root/third.tar.gz")
    assert host.check_output("bordbuch-pages live /root/third.tar.gz") == "unchanged"


def test_an_archive_of_something_else_replaces_nothing(host: Host) -> None:
    host.run_expect([0], "tar -C /etc -czf /root/other.tar.gz hostname")
    host.run_expect([0], "ln -sf /etc/shadow /root/index.html && tar -C /root -czf /root/link.tar.gz "
                         "--transform s,^,site/, index.html")  # fmt: skip
    for name in ("other", "link"):
        done = host.run(f"bordbuch-pages live /root/{name}.tar.gz")
        assert done.rc == 1
        assert "what was live is live as before" in done.stderr
    assert host.run("head -c 9 /etc/shadow | bordbuch-pages status").rc == 1
    assert "third" in ask(host, "/", AUDITOR)
    assert ".new" not in host.check_output(f"ls -A {HOME}/site/releases")


def test_other_accounts_read_the_status_page_alone(host: Host) -> None:
    for path in (f"{HOME}/site", f"{HOME}/site/live/site/index.html", "/etc/bordbuch-pages/logins"):
        assert host.run(f"runuser -u somebody -- ls {path}").rc != 0
        assert host.run(f"runuser -u bordbuch-pages -- ls {path}").rc == 0
    assert host.run(f"runuser -u somebody -- cat {HOME}/status/index.html").rc == 0
    assert host.run(f"runuser -u bordbuch-pages -- touch {HOME}/site/x {HOME}/status/x").rc != 0


def test_no_password_stands_on_the_host(host: Host) -> None:
    logins = host.file("/etc/bordbuch-pages/logins")
    assert (logins.user, logins.group, logins.mode) == ("root", "bordbuch-pages", 0o640)
    lines = [line for line in logins.content_string.splitlines() if not line.startswith("#")]
    assert [line.split("$")[1] for line in lines] == ["6", "6"]
    assert host.run("grep -rls -e administration-secret /etc /var/lib/bordbuch-pages /var/log").stdout == ""


def test_a_renewed_certificate_is_served_after_a_restart(host: Host) -> None:
    host.run_expect([0], "make-certificate && systemctl try-reload-or-restart bordbuch-pages.service")
    served = "openssl s_client -connect 127.0.0.1:8443 -servername pages.test </dev/null 2>/dev/null | openssl x509 -noout -serial"
    wanted = host.check_output("openssl x509 -noout -serial -in /etc/ssl/bordbuch/host.crt")
    assert host.check_output(f"for n in 1 2 3 4 5; do {served} && break; sleep 1; done") == wanted


def test_only_this_server_runs_in_its_sandbox(host: Host) -> None:
    assert not host.service("lighttpd").is_running
    assert host.service("bordbuch-pages").is_running
    found = json.loads(host.run("systemd-analyze security --no-pager --json=short bordbuch-pages.service").stdout)
    assert sum(float(row["exposure"] or 0) for row in found) <= 2.0
