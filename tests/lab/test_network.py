"""What the lab changes on the machine's network is put back when the last lab goes.

In a network namespace of its own, since the machine's own setting serves the lab of the test run.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

SCRIPT = """
import sys
from pathlib import Path
from ops.lab import network
from ops.lab.names import LabName

forward = Path("/proc/sys/net/ipv4/ip_forward")
one, two = LabName("aaaaaa"), LabName("bbbbbb")
watchers = Path("/proc/sys/fs/inotify/max_user_instances")
former = watchers.read_text()
forward.write_text(sys.argv[1])
network.ensure_network(one)
assert network.ensure_network(one) == network.ensure_network(one)
assert network.ensure_network(one) != network.ensure_network(two)
assert forward.read_text().strip() == "1"
assert int(watchers.read_text()) >= 2048
network.remove_network(one)
assert forward.read_text().strip() == "1"
network.remove_network(two)
network.remove_network(two)
assert forward.read_text().strip() == sys.argv[1]
assert watchers.read_text() == former
assert not Path("/run/bordbuch").exists()
"""

ISOLATED = 'mount -t tmpfs tmpfs /run; mount -t sysfs sysfs /sys; exec "$@"'


def isolated(value: str, script: str) -> None:
    """Run *script* where the network, /run and /sys are its own, forwarding being *value*."""
    argv = ["unshare", "--net", "--mount", "sh", "-c", ISOLATED, "sh", sys.executable, "-c", script, value]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_forwarding_is_put_back_when_the_last_lab_goes() -> None:
    isolated("0", SCRIPT)
    isolated("1", SCRIPT)


def test_a_lab_that_was_killed_in_between_does_not_keep_forwarding_on() -> None:
    isolated("0", SCRIPT.replace("network.remove_network(one)", 'network.run(["ip", "link", "delete", one.bridge])'))
