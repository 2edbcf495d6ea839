"""The host as a whole: units, time, journal."""

from testinfra.host import Host


def test_no_failed_units(host: Host) -> None:
    """No unit has failed."""
    failed = host.check_output("systemctl list-units --state=failed --plain --no-legend --no-pager").splitlines()
    assert failed == [], f"failed: {', '.join(line.split()[0] for line in failed)}"


def test_time_is_synchronised(host: Host) -> None:
    """The clock is synchronised, or is the machine's own in a container."""
    assert host.run("systemctl is-enabled systemd-timesyncd.service").stdout.strip() == "enabled"
    if host.run("systemd-detect-virt --container --quiet").rc == 0:
        return
    assert host.check_output("timedatectl show --property=NTPSynchronized --value") == "yes"


def test_journal_is_kept(host: Host) -> None:
    """The journal is kept over reboots, within a size."""
    machine = host.check_output("cat /etc/machine-id")
    assert host.file(f"/var/log/journal/{machine}").is_directory
    settings = host.check_output("systemd-analyze cat-config systemd/journald.conf").splitlines()
    assert "Storage=persistent" in settings
    assert any(line.startswith("SystemMaxUse=") for line in settings), "no size is set"
