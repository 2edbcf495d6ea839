"""Mail on both releases: mails are sent and read where they arrive."""

import re
import time
import uuid

import pytest
from testinfra.host import Host

SINK = "/var/mail-sink"
EXPOSURE = 2.0
"""The most that `systemd-analyze security` may say of the sink, out of 10."""


def send(host: Host, arguments: str, prefix: str = "") -> str:
    """Send a mail with a subject of its own, and return that."""
    subject = uuid.uuid4().hex
    host.check_output(f"printf 'Subject: {subject}\\n\\nGrüße\\n' | {prefix} /usr/sbin/sendmail {arguments}")
    return subject


def arrived(host: Host, subject: str, seconds: float = 60) -> str:
    """Return the mail, empty if it does not arrive within *seconds*."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = host.run(f"grep -lr 'Subject: {subject}' {SINK}/new").stdout.split()
        if found:
            text: str = host.check_output("cat %s", found[0])
            return text
        time.sleep(0.3)
    return ""


def test_a_mail_arrives_with_its_envelope(host: Host) -> None:
    mail = arrived(host, send(host, "-f bounces@example.org -- member@example.net"))
    assert "X-MailFrom: bounces@example.org" in mail
    assert "X-RcptTo: member@example.net" in mail
    assert "Grüße" in mail


@pytest.mark.parametrize("to", ["root", "postgres", "postmaster"])
def test_what_the_host_sends_itself_goes_to_the_administrator(host: Host, to: str) -> None:
    mail = arrived(host, send(host, to))
    assert "X-RcptTo: admin@example.org" in mail
    assert "X-MailFrom: host@example.org" in mail
    assert re.search(r"^From: .*host@example.org", mail, re.MULTILINE)


def test_mail_waits_while_the_relay_is_away_and_goes_out_later_by_itself(host: Host) -> None:
    host.check_output("systemctl stop mail-sink")
    subject = send(host, "-f bounces@example.org -- member@example.net")
    assert arrived(host, subject, 1) == ""
    assert "member@example.net" in host.check_output("mailq")
    host.check_output("systemctl start mail-sink")
    assert arrived(host, subject) != ""
    end = time.monotonic() + 30
    while "member@example.net" in host.check_output("mailq"):  # it is taken out of the queue just after it has arrived
        assert time.monotonic() < end


def test_mail_waits_rather_than_goes_to_a_relay_that_cannot_prove_itself(host: Host) -> None:
    folder = "/etc/ssl/bordbuch"
    host.check_output(
        f"cp -p {folder}/host.crt /root/kept.crt && openssl req -x509 -key {folder}/host.key -subj /CN=$(hostname) -days 1 "
        f"-addext subjectAltName=DNS:$(hostname) -out {folder}/host.crt && systemctl restart mail-sink"
    )
    try:
        subject = send(host, "-f bounces@example.org -- member@example.net")
        assert arrived(host, subject, 2) == ""
        end = time.monotonic() + 60
        while "certificate" not in host.check_output("mailq"):  # why it waits is said once it has been tried
            assert time.monotonic() < end
    finally:
        host.check_output(f"cp -p /root/kept.crt {folder}/host.crt && systemctl restart mail-sink")
    assert arrived(host, subject) != ""


def test_a_typing_error_lost_no_mail(host: Host) -> None:
    assert not host.file("/etc/postfix/main.cf").contains("relay_hosst")
    assert arrived(host, "before the error") != ""


def test_a_sandboxed_service_can_send(host: Host) -> None:
    sandbox = (
        "systemd-run --description=sandboxed --quiet --wait --pipe -p User=daemon -p NoNewPrivileges=yes "
        "-p SupplementaryGroups=postdrop -p ProtectSystem=strict -p ReadWritePaths=/var/spool/postfix/maildrop -p PrivateTmp=yes "
        "-p CapabilityBoundingSet= -p RestrictSUIDSGID=yes"
    )
    assert arrived(host, send(host, "-f bounces@example.org -- member@example.net", sandbox)) != ""


def test_no_server_listens(host: Host) -> None:
    assert "master" not in host.check_output("ss -Hltnp")


def test_an_account_no_longer_used_is_gone(host: Host) -> None:
    assert not host.file("/etc/postfix/relay_password").exists


def test_logs_name_no_recipient(host: Host) -> None:
    log = host.check_output("journalctl --no-pager -o cat | grep -v 'Invoked with'")
    assert [line for line in log.splitlines() if "@example.net" in line] == []
    assert "geheim # 7" not in log


def test_the_sink_is_private_and_in_a_sandbox(host: Host) -> None:
    folder = host.file(SINK)
    assert (folder.user, folder.mode) == ("mail-sink", 0o700)
    told = host.run("systemd-analyze security --no-pager mail-sink.service").stdout
    exposure = re.search(r"Overall exposure level[^:]*: ([\d.]+)", told)
    assert exposure
    assert float(exposure[1]) <= EXPOSURE, told
