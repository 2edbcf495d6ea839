"""The archive and a host that trusts it, on both releases."""

import json

from testinfra.host import Host

HOME = "/var/lib/bordbuch-archive"


def test_apt_offers_every_version_and_takes_none_by_itself(host: Host) -> None:
    offered = host.run("apt-cache madison probe").stdout
    assert [line.split("|")[1].strip() for line in offered.splitlines()] == ["1.1-1", "1.0-1"]
    host.run_expect([0], "apt-get install -q -y probe=1.0-1")
    assert "probe" not in host.run("apt-get -q --simulate dist-upgrade").stdout
    host.run_expect([0], "apt-get install -q -y probe=1.1-1")
    host.run_expect([0], "apt-get install -q -y --allow-downgrades probe=1.0-1")  # the way back
    assert host.package("probe").version == "1.0-1"


def test_another_key_is_not_taken(host: Host) -> None:
    host.run_expect([0], f"cp -a {HOME}/www/dists/. /root/dists-before")
    key = "/usr/share/keyrings/bordbuch-archive.asc"
    home = "/root/stranger"
    host.run_expect(
        [0],
        f"mkdir -p -m 700 {home} && GNUPGHOME={home} gpg --batch --passphrase '' --quick-generate-key stranger ed25519 sign never",
    )
    host.run_expect([0], f"cp {key} /root/key.asc && GNUPGHOME={home} gpg --armor --export >{key}")
    try:
        done = host.run("apt-get update -q -o APT::Update::Error-Mode=any")
        assert done.rc != 0, done.stdout + done.stderr
    finally:
        host.run_expect([0], f"cp /root/key.asc {key} && apt-get update -q; gpgconf --homedir {home} --kill all")


def test_the_key_counts_for_this_source_only(host: Host) -> None:
    assert (
        "Signed-By: /usr/share/keyrings/bordbuch-archive.asc"
        in host.file("/etc/apt/sources.list.d/bordbuch-archive.sources").content_string
    )
    assert not host.file("/etc/apt/trusted.gpg.d/bordbuch-archive.asc").exists


def test_the_signing_key_stays_where_it_was_made(host: Host) -> None:
    folder = host.file(f"{HOME}/gnupg")
    assert (folder.user, folder.mode) == ("bordbuch-archive", 0o700)
    ask = "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8081); c.request('GET', '/../gnupg/pubring.kbx')"
    assert int(host.run("python3 -c %s", f"{ask}; print(c.getresponse().status)").stdout) >= 400


def test_the_server_cannot_write_packages(host: Host) -> None:
    pool = host.file(f"{HOME}/www/pool/bookworm")
    assert (pool.user, pool.mode & 0o022) == ("root", 0)


def test_only_this_server_runs_in_its_sandbox(host: Host) -> None:
    assert not host.service("lighttpd").is_running
    assert host.service("bordbuch-archive").is_running
    found = json.loads(host.run("systemd-analyze security --no-pager --json=short bordbuch-archive.service").stdout)
    assert sum(float(row["exposure"] or 0) for row in found) <= 2.0
