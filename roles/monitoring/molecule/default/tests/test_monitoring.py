"""What is seen of a host and who is told, on both releases: states are changed and looked at from where Prometheus looks."""

import json
import re
import runpy
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from testinfra.host import Host

ROLE = Path(__file__).resolve().parents[3]

LISTEN = {"bookworm": "127.0.0.1:9100", "trixie": "[::1]:9100"}
GET = "import urllib.request as r; print(r.urlopen('http://%s/metrics').read().decode())"
CERTIFICATE = "/etc/ssl/bordbuch/host.crt"
LOOPS = """\
[Unit]
StartLimitBurst=3
[Service]
ExecStart=false
Restart=on-failure
RestartSec=50ms
"""
MAILS = {"bookworm": "/var/mail/root", "trixie": "/var/spool/stand-in"}


def figures(host: Host) -> dict[str, float]:
    """Return our figures after they were read once more, as Prometheus gets them."""
    host.check_output("systemctl start bordbuch-figures.service")
    text = host.check_output("python3 -c %s", GET % LISTEN[host.backend.host])
    return {name: float(value) for name, value in re.findall(r"^bordbuch_(\S.*) (\S+)$", text, re.MULTILINE)}


NOTES = {
    "/var/lib/bordbuch-watch/seen.json": {"repositories": {"1": None, "2": {"since": 1, "missing": "a WAL file"}}},
    "/var/lib/bordbuch-archiving/seen.json": {"ready": 3, "failing": True},
}
"""What the role backup's programs would have noted, but for when they looked."""


def note(host: Host, seconds_ago: int = 0) -> None:
    """Write the notes of the programs that are not on this scenario's hosts."""
    looked = int(host.check_output("date +%s")) - seconds_ago
    for path, seen in NOTES.items():
        host.check_output(
            "install -d %s; echo %s >%s", str(Path(path).parent), json.dumps({**seen, "looked": looked}), path
        )


@pytest.fixture(scope="module")
def at_first(host: Host) -> dict[str, float]:
    """The figures before the tests change anything."""
    note(host)
    return figures(host)


def mails(host: Host) -> str:
    """Return all that root was mailed, as one text."""
    return host.run("cat %s", MAILS[host.backend.host]).stdout


def wait_for_mail(host: Host, words: str, times: int = 1) -> str:
    """Return all mails as soon as *words* stand in them so many *times*."""
    for _attempt in range(50):
        if (text := mails(host)).count(words) >= times:
            return text
        time.sleep(0.2)
    raise AssertionError(f"no mail with {words!r} came; there is: {mails(host)}")


@pytest.fixture
def forgotten(host: Host) -> Iterator[None]:
    """Nobody remembers a mail, and no unit of the tests is left failed."""
    clean = "rm -f /var/lib/bordbuch-failed/sent.json; systemctl reset-failed"
    host.check_output(clean)
    yield
    host.check_output(clean)


def fail(host: Host, unit: str, options: str = "", says: str = "something") -> None:
    """Have a transient *unit* say something and fail."""
    host.run(f"systemd-run --wait --unit={unit} {options} sh -c 'echo {says}; exit 7'")


def test_exporter_listens_on_its_address_only(host: Host) -> None:
    listening = host.check_output("ss -Htln 'sport = 9100' | awk '{print $4}'").split()
    assert listening == [LISTEN[host.backend.host]]


def test_the_sandbox_takes_no_figure_from_the_exporter(host: Host) -> None:
    plain = "--collector.textfile.directory=/var/lib/prometheus/node-exporter --web.listen-address=127.0.0.1:9199"
    host.check_output(f"systemd-run --unit=plain -p User=prometheus prometheus-node-exporter {plain}")
    time.sleep(1)
    try:
        without, within = (
            re.findall(
                r"^node_scrape_collector_success.*", host.check_output("python3 -c %s", GET % address), re.MULTILINE
            )
            for address in ("127.0.0.1:9199", LISTEN[host.backend.host])
        )
    finally:
        host.check_output("systemctl stop plain.service")
    assert without == within


def test_figures_come_by_themselves(host: Host) -> None:
    assert host.service("bordbuch-figures.timer").is_enabled
    assert host.service("bordbuch-figures.timer").is_running


def test_every_host_has_its_figures(host: Host, at_first: dict[str, float]) -> None:
    seen = at_first
    assert [name for name, value in seen.items() if name.startswith("figure_failed") and value] == []
    has_count = {"bookworm": True, "trixie": False}[host.backend.host]
    assert ("vote_count_timestamp_seconds" in seen) is has_count
    assert ("mail_queued" in seen) is has_count
    assert seen["reboot_needed"] == 0
    ends = seen[f'certificate_ends_timestamp_seconds{{path="{CERTIFICATE}"}}']
    assert 98 < (ends - time.time()) / 86400 < 101


def test_security_updates_are_those_of_apt(host: Host, at_first: dict[str, float]) -> None:
    listed = host.run("apt list --upgradable 2>/dev/null").stdout.splitlines()
    assert at_first["security_updates"] == len([line for line in listed if "-security" in line])


def test_reboot_is_seen(host: Host) -> None:
    host.check_output("touch /boot/vmlinuz-6.1.0-9-amd64 /boot/vmlinuz-6.1.0-10-amd64")
    given = 'echo \'{"kernel_running": "%s"}\' >/etc/bordbuch/given-facts.json'
    try:
        host.run(given % "6.1.0-9-amd64")
        assert figures(host)["reboot_needed"] == 1
        host.run(given % "6.1.0-10-amd64")
        assert figures(host)["reboot_needed"] == 0
    finally:
        host.run("rm -f /boot/vmlinuz-6.1.0-* /etc/bordbuch/given-facts.json")


def test_the_last_patch_that_succeeded_counts(host: Host, at_first: dict[str, float]) -> None:
    assert "patch_ended_timestamp_seconds" not in at_first
    for name, code, ended in (("a", 0, 1000), ("b", 0, 2000), ("c", 100, 3000)):
        host.check_output("mkdir -m 700 -p /var/lib/bordbuch/changes/%s", name)
        result = json.dumps({"exit_code": code, "ended": ended})
        host.check_output("umask 077; echo %s >/var/lib/bordbuch/changes/%s/result.json", result, name)
    try:
        assert figures(host)["patch_ended_timestamp_seconds"] == 2000
    finally:
        host.run("rm -rf /var/lib/bordbuch/changes")


def test_no_stamp_is_no_figure(host: Host, at_first: dict[str, float]) -> None:
    kinds = ("backup", "drill")
    assert [at_first[f'figure_failed{{figure="{kind}"}}'] for kind in kinds] == [0, 0]
    assert not {f"{kind}_ended_timestamp_seconds" for kind in kinds} & at_first.keys()
    for kind in kinds:
        place = f"/var/lib/bordbuch/{kind}"
        host.check_output(f"install -d {place}; echo '{{\"ended\": 1234}}' >{place}/last.json")
    try:
        seen = figures(host)
    finally:
        host.check_output("rm -r /var/lib/bordbuch/backup /var/lib/bordbuch/drill")
    assert [seen[f"{kind}_ended_timestamp_seconds"] for kind in kinds] == [1234, 1234]


def test_what_the_watches_noted_is_a_figure_as_long_as_it_is_fresh(host: Host, at_first: dict[str, float]) -> None:
    names = ("archive_ready_files", "archive_failing", 'pitr_broken{repository="1"}', 'pitr_broken{repository="2"}')
    assert [at_first[name] for name in names] == [3, 1, 0, 1]
    failed = [f'figure_failed{{figure="{figure}"}}' for figure in ("archiving", "pitr")]
    note(host, seconds_ago=3700)
    try:
        seen = figures(host)
        host.check_output("rm -r /var/lib/bordbuch-watch /var/lib/bordbuch-archiving")
        without = figures(host)
    finally:
        note(host)
    for one in (seen, without):
        assert not set(names) & one.keys()
        assert [one[name] for name in failed] == [1, 1]


@pytest.mark.usefixtures("forgotten")
def test_a_failed_unit_is_counted_and_named(host: Host, at_first: dict[str, float]) -> None:
    fail(host, "counted")
    seen = figures(host)
    assert seen["units_failed"] == at_first["units_failed"] + 1
    assert seen['unit_failed{unit="counted.service"}'] == 1


def test_vote_count_and_mail_queue_move(host: Host, at_first: dict[str, float]) -> None:
    if host.backend.host != "bookworm":
        return
    move = "runuser -u postgres -- psql -q site -c %s"
    assert at_first["vote_count_timestamp_seconds"] != 5000
    host.check_output(move, "UPDATE member_count SET calculated = to_timestamp(5000)")
    host.check_output("postconf -e defer_transports=local; postfix reload 2>&1; echo | sendmail root; sleep 1")
    try:
        seen = figures(host)
    finally:
        host.check_output("postconf -X defer_transports; postfix reload 2>&1; postqueue -f")
        host.check_output(move, "UPDATE member_count SET calculated = now() - interval '1000 seconds'")
    assert seen["vote_count_timestamp_seconds"] == 5000
    assert seen["mail_queued"] == 1


def test_a_broken_figure_takes_no_other_away(host: Host, at_first: dict[str, float]) -> None:
    host.check_output("cp %s /root/kept && echo nonsense >%s", CERTIFICATE, CERTIFICATE)
    try:
        seen = figures(host)
    finally:
        host.check_output("mv /root/kept %s", CERTIFICATE)
    assert seen[f'figure_failed{{figure="certificate {CERTIFICATE}"}}'] == 1
    assert at_first.keys() - seen.keys() == {f'certificate_ends_timestamp_seconds{{path="{CERTIFICATE}"}}'}


@pytest.mark.usefixtures("forgotten")
def test_a_failed_unit_is_mailed_without_what_it_said(host: Host) -> None:
    fail(host, "talkative", says="member-4711")
    text = wait_for_mail(host, "talkative.service")
    assert re.search(r"^Subject: \S+: talkative\.service failed$", text, re.MULTILINE)
    assert "result: exit-code" in text
    assert "exit status: 7" in text
    assert "member-4711" not in text


@pytest.mark.usefixtures("forgotten")
def test_journal_lines_of_harmless_units_are_mailed(host: Host) -> None:
    fail(host, "bordbuch-example", says="the-disk-is-full")
    assert "the-disk-is-full" in wait_for_mail(host, "the-disk-is-full")


@pytest.mark.usefixtures("forgotten")
def test_a_restart_loop_sends_one_mail(host: Host) -> None:
    before = mails(host).count("loops.service failed")
    host.check_output("printf %s >/run/systemd/system/loops.service; systemctl daemon-reload", LOOPS)
    for _attempt in range(3):
        host.check_output("systemctl start loops.service; sleep 1; systemctl reset-failed loops.service")
    wait_for_mail(host, "loops.service failed", before + 1)
    time.sleep(2)
    assert mails(host).count("loops.service failed") == before + 1
    memory = json.loads(host.check_output("cat /var/lib/bordbuch-failed/sent.json"))
    assert memory["unsaid"]["loops.service"] >= 1
    memory["sent"]["loops.service"] = 0
    host.check_output("echo %s >/var/lib/bordbuch-failed/sent.json", json.dumps(memory))
    host.check_output("systemctl start loops.service")
    wait_for_mail(host, "more times since the last mail")
    host.check_output("rm /run/systemd/system/loops.service; systemctl daemon-reload")


def test_the_mail_about_a_failed_mail_is_not_tried(host: Host) -> None:
    assert host.check_output("systemctl show -P OnFailure bordbuch-failed@x.service.service") == ""
    assert host.check_output("systemctl show -P OnFailure ssh.service") == "bordbuch-failed@ssh.service.service"


@pytest.mark.parametrize(
    ("unit", "most"),
    [("bordbuch-figures", 2.5), ("bordbuch-failed@x", 4.5), ("prometheus-node-exporter", 3.0)],
)
def test_units_are_sandboxed(host: Host, unit: str, most: float) -> None:
    last = host.run("systemd-analyze security --no-pager %s.service", unit).stdout.splitlines()[-1]
    assert float(re.findall(r"\d+\.\d", last)[0]) <= most, last


def test_alert_rules_are_right(host: Host) -> None:
    if host.backend.host != "trixie":
        return
    for command in ("promtool check rules alerts.yml", "promtool test rules alerts_test.yml"):
        done = host.run(f"cd /root && {command}")
        assert done.rc == 0, done.stdout + done.stderr


def test_alerts_say_what_to_do_and_where_more_is_said() -> None:
    rules = yaml.safe_load((ROLE / "files/alerts.yml").read_text())["groups"][0]["rules"]
    sections = re.findall(r"^## (.*)$", (ROLE / "ALERTS.md").read_text(), re.MULTILINE)
    assert [rule["alert"] for rule in rules] == sections
    assert [rule["alert"] for rule in rules if rule["annotations"].keys() != {"summary", "action", "runbook"}] == []
    links = [rule["annotations"]["runbook"] for rule in rules]
    assert links == [f"roles/monitoring/ALERTS.md#{name.lower()}" for name in sections]


def test_a_host_sends_no_more_mails_than_its_share() -> None:
    note = runpy.run_path(str(ROLE / "files/failed.py"))["note"]
    memory: dict[str, Any] = {}
    limits = {"quiet_seconds": 3600, "per_hour": 20}
    notes = [note(memory, f"unit-{number}", 10_000.0 + number, limits) for number in range(25)]
    assert [number for number, said in enumerate(notes) if said is None] == [20, 21, 22, 23, 24]
    assert "last mail for an hour" in notes[19][0]
    assert note(memory, "unit-24", 20_000.0, limits) == ["It failed 1 more times since the last mail about it."]
