"""The proxy on both releases: requests are sent, servers restarted, packages installed again."""

import json
import re
from typing import Any

import pytest
from testinfra.host import Host

SITE = "https://site.example.org"
CA = "/root/all-authorities.crt"
EXPOSURE = {"haproxy.service": 2.6, "haproxy-certificate.service": 1.2, "certbot.service": 2.5}
"""The most that `systemd-analyze security` may say, out of 10."""


@pytest.fixture(autouse=True, scope="module")
def authorities(host: Host) -> None:
    """Make one file of the authority of the hosts and that of the ACME server."""
    host.check_output(
        f"curl -s --cacert /etc/ssl/bordbuch/ca.crt https://localhost:15000/roots/0 | cat - /etc/ssl/bordbuch/ca.crt > {CA}"
    )


def curl(host: Host, *arguments: str) -> str:
    """Return headers and page of a request."""
    words = " ".join(f"'{word}'" for word in arguments)
    return host.check_output(f"curl -si --cacert {CA} --max-time 60 {words}")


def status(answer: str) -> int:
    return int(answer.split()[1])


def under_load(host: Host, command: str) -> dict[str, Any]:
    """Send requests while *command* runs, and return what became of them."""
    result: dict[str, Any] = json.loads(host.check_output(f"load.py {CA} {command}"))
    assert result["command"][0] == 0, result["command"]
    return result


# What the application gets.


def echo(host: Host, *arguments: str) -> dict[str, Any]:
    page = curl(host, f"{SITE}/echo", *arguments).replace("\r\n", "\n").partition("\n\n")[2]
    told: dict[str, Any] = json.loads(page)
    return told


def test_what_the_application_believes_comes_from_the_proxy(host: Host) -> None:
    sent = {
        "X-SSL-DN": "CN=admin",
        "X-Forwarded-For": "192.0.2.1",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "http",
        "Forwarded": "for=192.0.2.1",
        "X_SSL_DN": "CN=admin",
    }
    words = [word for name, value in sent.items() for word in ("-H", f"{name}: {value}")]
    headers = echo(host, "--interface", "127.0.0.2", *words)["headers"]
    got = {name.lower(): value for name, value in headers if name.lower().replace("_", "-").startswith(("x-", "forw"))}
    assert got == {
        "x-forwarded-for": "127.0.0.2",
        "x-forwarded-host": "site.example.org",
        "x-forwarded-proto": "https",
    }


def test_headers_and_small_bodies_arrive_in_one_piece(host: Host) -> None:
    slow = (
        "import socket, ssl, time; c = ssl.create_default_context(cafile=%r); "
        "s = c.wrap_socket(socket.create_connection(('127.0.0.1', 443)), server_hostname='site.example.org'); "
        "[(s.sendall(part), time.sleep(0.2)) for part in (b'POST /echo HTTP/1.1\\r\\nHost: site.exam', "
        "b'ple.org\\r\\nContent-Length: 10\\r\\nConnection: close\\r\\n', b'\\r\\n', b'01234', b'56789')]; "
        "print(b''.join(iter(lambda: s.recv(9999), b'')).decode())"
    )
    answer = host.check_output("python3 -c %s", slow % CA)
    assert status(answer) == 200
    assert '"in_first_segment": 10' in answer


@pytest.mark.parametrize("kind", ["--http1.1", "--http2"])
def test_bodies_are_limited(host: Host, kind: str) -> None:
    posts = "/var/lib/application/posts"
    send = f"head -c %d /dev/zero | curl -si {kind} --cacert {CA} --data-binary @- {SITE}/count %s"
    assert status(host.check_output(send % (90000, ""))) == 200
    before = host.check_output(f"wc -l < {posts}")
    unsaid = "-H 'Content-Length:'" + " -H 'Transfer-Encoding: chunked'" * (kind == "--http1.1")
    for refused, answer in {
        413: host.run(send % (110000, "")).stdout,
        411: host.run(send % (9000, unsaid)).stdout,
    }.items():
        # Who goes on sending may find the connection closed before it reads the page.
        assert answer == "" or status(answer) == refused
    assert host.check_output(f"wc -l < {posts}") == before, "none reached the application"


# The second name.

PAGES = "https://pages.example.org"


def test_the_pages_have_a_name_of_their_own(host: Host) -> None:
    assert "location: https://pages.example.org/a" in curl(host, "http://pages.example.org/a").lower()
    assert "location: /status/" in curl(host, f"{PAGES}/status").lower()
    assert status(curl(host, f"{PAGES}/")) == 401
    answer = curl(host, "-u", "auditor:right", f"{PAGES}/").lower()
    assert status(answer) == 200
    assert "content-security-policy: default-src 'none'" in answer, "their own policy"
    assert "x-forwarded-for" not in answer, "who asks is not told"


def test_the_pages_stay_while_the_site_is_closed(host: Host) -> None:
    host.check_output("liquidfeedback-proxy maintenance on")
    try:
        assert status(curl(host, f"{SITE}/page")) == 503
        assert status(curl(host, f"{PAGES}/status/")) == 200
        assert status(curl(host, "-u", "auditor:right", f"{PAGES}/")) == 200
    finally:
        host.check_output("liquidfeedback-proxy maintenance off")


def test_wrong_passwords_are_limited_and_the_public_page_is_not_counted(host: Host) -> None:
    wrong = ("--interface", "127.0.0.5", "-u", "auditor:wrong", f"{PAGES}/")
    assert [status(curl(host, *wrong)) for _ in range(5)] == [401] * 4 + [429]
    assert status(curl(host, "--interface", "127.0.0.5", "-u", "auditor:right", f"{PAGES}/")) == 429
    assert status(curl(host, "-u", "auditor:right", f"{PAGES}/")) == 200, "another address"
    many = ("--interface", "127.0.0.6", f"{PAGES}/status/")
    assert [status(curl(host, *many)) for _ in range(9)] == [200] * 9


# What the browser gets.


@pytest.mark.parametrize("name", ["site.example.org", "www.example.org", "other.example"])
def test_all_ways_lead_to_the_one_name_by_tls(host: Host, name: str) -> None:
    plain = curl(host, "-H", f"Host: {name}", "http://127.0.0.1/unit/list.html?x=1")
    assert status(plain) == 301
    assert f"location: {SITE}/unit/list.html?x=1" in plain.lower()
    if name != "site.example.org":
        answer = curl(host, "-H", f"Host: {name}", f"{SITE}/a")
        assert status(answer) == 308
        assert f"location: {SITE}/a" in answer.lower()


def test_pages_bear_security_headers(host: Host) -> None:
    for path in ("/page", "/fault/500"):
        answer = curl(host, f"{SITE}{path}").lower()
        for header in (
            "strict-transport-security: max-age=31536000",
            "x-content-type-options: nosniff",
            "content-security-policy: frame-ancestors 'self'",
            "referrer-policy: same-origin",
        ):
            assert header in answer
        assert "moonbridge" not in answer


@pytest.mark.parametrize(("code", "shown"), [(500, 500), (502, 502), (503, 503), (501, 500), (599, 500)])
def test_faults_of_the_application_never_pass(host: Host, code: int, shown: int) -> None:
    answer = curl(host, f"{SITE}/fault/{code}")
    assert status(answer) == shown
    assert "traceback" not in answer
    assert "secret.lua" not in answer
    assert '<html lang="de">' in answer
    assert '<section lang="en">' in answer
    assert "help@example.org &lt;100 %&gt;" in answer


def test_old_tls_is_refused(host: Host) -> None:
    line = "openssl s_client -connect 127.0.0.1:443 -servername site.example.org {} </dev/null 2>&1"
    assert "Cipher is (NONE)" in host.run(line.format("-tls1_1 -cipher ALL:@SECLEVEL=0")).stdout
    assert "Cipher is TLS_" in host.run(line.format("-tls1_3")).stdout


def test_an_address_is_limited_and_told_so(host: Host) -> None:
    many = f"curl -so /dev/null --cacert {CA} --interface 127.0.0.3 -w '%{{http_code}} ' '{SITE}/page?[1-50]'"
    codes = host.check_output(many).split()
    assert codes == ["200"] * 40 + ["429"] * 10
    answer = curl(host, "--interface", "127.0.0.3", f"{SITE}/page")
    assert "Zu viele Anfragen" in answer
    assert "retry-after: 60" in answer.lower()


def test_forms_of_strangers_are_limited_more(host: Host) -> None:
    send = f"curl -so /dev/null --cacert {CA} --interface 127.0.0.4 -d x=1 -w '%{{http_code}} ' "
    codes = host.check_output(f"{send} '{SITE}/index/login?[1-4]' && {send} '{SITE}//%69ndex/login?[1-4]'").split()
    assert codes == ["200"] * 5 + ["429"] * 3
    assert host.check_output(f"{send} {SITE}/vote/update").strip() == "200"


# What waits.


def test_pages_wait_while_the_application_dies_and_comes_back(host: Host) -> None:
    result = under_load(host, "sh -c 'systemctl kill --signal=KILL liquidfeedback && sleep 2'")
    assert [one for one in result["failed"] if not one["body"]] == []
    assert {one["status"] for one in result["failed"]} <= {502, 0}, (
        "a POST that was cut is not answered by somebody else"
    )
    assert [count for count in result["not_once"].values() if count > 1] == []
    assert result["longest"] > 1


def test_a_planned_restart_loses_nothing_and_repeats_nothing(host: Host) -> None:
    result = under_load(host, "systemctl restart liquidfeedback.service")
    assert result["posts"] >= 8
    assert result["failed"] == []
    assert result["not_once"] == {}
    assert result["longest"] > 1


def test_a_hold_by_name_outlives_a_restart_inside_it(host: Host) -> None:
    steps = (
        "liquidfeedback-proxy hold database; systemctl restart liquidfeedback; sleep 1; "
        "liquidfeedback-proxy status; liquidfeedback-proxy release database"
    )
    result = under_load(host, f'sh -ec "{steps}"')
    assert "held by: database\nin flight: 0" in result["command"][1]
    told = re.search(r"(\d+) requests were waiting, held for (\d+)\.\d s$", result["command"][1].strip())
    assert told, result["command"][1]
    assert int(told[1]) >= 20, "20 a second"
    assert int(told[2]) >= 1
    assert (result["failed"], result["not_once"]) == ([], {})


def test_a_forgotten_hold_ends_by_itself(host: Host) -> None:
    host.check_output("liquidfeedback-proxy hold forgotten --seconds 2")
    assert status(curl(host, f"{SITE}/page")) == 200
    assert "held by: nobody" in host.check_output("liquidfeedback-proxy status")


def test_a_hold_says_what_did_not_end(host: Host) -> None:
    line = f"curl -so /dev/null --cacert {CA} {SITE}/slow & sleep 0.5; liquidfeedback-proxy hold --drain 1; "
    answer = host.run(f"{line} code=$?; liquidfeedback-proxy release; wait; exit $code")
    assert answer.rc == 1
    assert "1 requests did not end within 1 s" in answer.stderr


def test_the_application_stops_without_a_proxy(host: Host) -> None:
    host.check_output("systemctl stop haproxy && systemctl restart liquidfeedback && systemctl start haproxy")
    assert status(curl(host, f"{SITE}/page")) == 200


def test_the_proxy_is_renewed_without_a_lost_request(host: Host) -> None:
    before = host.check_output("systemctl show -p MainPID --value haproxy")
    steps = [
        "systemctl reload haproxy",
        "NEEDRESTART_SUSPEND=1 apt-get install -qq -y --reinstall haproxy",
        "/etc/needrestart/restart.d/haproxy.service",
    ]
    result = under_load(host, f"sh -ec '{'; sleep 1; '.join(steps)}; sleep 1'")
    assert (result["failed"], result["not_once"]) == ([], {})
    assert host.check_output("systemctl show -p MainPID --value haproxy") == before, "reloaded, not restarted"
    assert int(host.check_output("journalctl -u haproxy -o cat | grep -c 'Loading success'")) >= 4


# Maintenance.


def test_the_maintenance_page_comes_and_goes_without_a_reload(host: Host) -> None:
    steps = (
        "liquidfeedback-proxy maintenance on --since 2026-12-01T22:00 --until 2026-12-01T21:30+00:00; sleep 1; "
        f"curl -s --cacert {CA} {SITE}/page; liquidfeedback-proxy maintenance off"
    )
    result = under_load(host, f'sh -ec "{steps}"')
    page = " ".join(result["command"][1].split())
    assert "seit 01.12.2026, 22:00 Uhr (CET), voraussichtlich bis 01.12.2026, 22:30 Uhr (CET)" in page
    assert "since 1 December 2026, 22:00 (CET), probably until 1 December 2026, 22:30 (CET)" in page
    assert "help@example.org &lt;100 %&gt;" in page
    assert {one["status"] for one in result["failed"]} == {503}, "all others were answered whole"


def test_the_maintenance_page_outlives_a_reload(host: Host) -> None:
    host.check_output("liquidfeedback-proxy maintenance on && systemctl reload haproxy && sleep 1")
    answer = curl(host, f"{SITE}/page")
    host.check_output("liquidfeedback-proxy maintenance off")
    assert status(answer) == 503
    assert "until further notice" in answer
    assert status(curl(host, f"{SITE}/page")) == 200


# Certificate.


def served_serial(host: Host) -> str:
    line = f"openssl s_client -connect 127.0.0.1:443 -servername site.example.org -CAfile {CA} -verify_return_error"
    return host.check_output(f"{line} </dev/null 2>/dev/null | openssl x509 -noout -serial")


def test_the_certificate_is_from_the_acme_server_and_renewed_by_the_timers_unit(host: Host) -> None:
    before = served_serial(host)
    assert before == host.check_output("openssl x509 -noout -serial -in /etc/letsencrypt/live/liquidfeedback/cert.pem")
    names = host.check_output(
        "openssl x509 -noout -ext subjectAltName -in /etc/letsencrypt/live/liquidfeedback/cert.pem"
    )
    assert set(re.findall(r"DNS:([\w.-]+)", names)) == {"site.example.org", "www.example.org", "pages.example.org"}
    assert host.service("certbot.timer").is_running
    host.check_output(
        "mkdir -p /run/systemd/system/certbot.service.d && printf '[Service]\nExecStart=\n"
        "ExecStart=/usr/bin/certbot -q renew --force-renewal --no-random-sleep-on-renew\n' "
        "> /run/systemd/system/certbot.service.d/zz-now.conf && systemctl daemon-reload && systemctl start certbot.service"
    )
    host.check_output("sleep 1")
    assert served_serial(host) != before


def test_no_copy_of_a_key_is_made(host: Host) -> None:
    assert host.check_output("find /etc/haproxy -type f -exec grep -l PRIVATE {} + || true") == ""
    assert host.file("/etc/haproxy/tls/site.key").is_symlink


# Safety.


def test_a_typing_error_replaced_nothing(host: Host) -> None:
    assert not host.file("/etc/haproxy/haproxy.cfg").contains("http-requst")
    assert host.run("haproxy -c -f /etc/haproxy/haproxy.cfg").rc == 0
    assert host.service("haproxy").is_running


@pytest.mark.parametrize("unit", EXPOSURE)
def test_units_are_in_a_sandbox(host: Host, unit: str) -> None:
    told = host.run(f"systemd-analyze security --no-pager {unit}").stdout
    exposure = re.search(r"Overall exposure level[^:]*: ([\d.]+)", told)
    assert exposure
    assert float(exposure[1]) <= EXPOSURE[unit], told


def test_statistics_stand_on_roots_socket_only(host: Host) -> None:
    listening = {line.split()[3] for line in host.check_output("ss -Hltnp | grep haproxy").splitlines()}
    assert listening == {"0.0.0.0:80", "0.0.0.0:443", "[::]:80", "[::]:443"}
    sockets = host.check_output("ss -Hlxp | grep haproxy | grep -o '/[^ ]*'").split()
    assert [re.sub(r"\.\d+\.tmp$", "", name) for name in sockets] == ["/run/haproxy-master.sock"]
    assert host.run("setpriv --reuid=nobody --clear-groups python3 -c %s", CONNECT).rc != 0


CONNECT = "import socket; socket.socket(socket.AF_UNIX).connect('/run/haproxy-master.sock')"


def test_logs_tell_no_member(host: Host) -> None:
    curl(host, "--interface", "127.0.0.5", f"{SITE}/index/register.html?code=geheim-12345")
    host.run("curl -s --interface 127.0.0.5 https://127.0.0.1/")  # refuses our certificate
    host.run("curl -s --interface 127.0.0.5 http://127.0.0.1/?code=geheim-12345")
    log = host.check_output("sleep 0.5; journalctl -u haproxy --no-pager -o cat")
    assert "https GET /index/register.html 200" in log
    assert "geheim" not in log
    assert "127.0.0.5" not in log
