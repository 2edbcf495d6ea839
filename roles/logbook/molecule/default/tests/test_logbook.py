"""The server on both releases; what its hooks take and refuse is tested without a host in tests/unit."""

from testinfra.host import Host

HOME = "/srv/logbook"
REPOSITORY = f"{HOME}/logbook.git"


def test_root_owns_what_decides(host: Host) -> None:
    places = [
        f"{HOME}/.ssh/authorized_keys",
        f"{HOME}/allowed_signers",
        REPOSITORY,
        f"{REPOSITORY}/config",
        f"{REPOSITORY}/HEAD",
        f"{REPOSITORY}/hooks/pre-receive",
        f"{REPOSITORY}/hooks/post-receive",
    ]
    assert {host.file(place).user for place in places} == {"root"}
    assert [place for place in places if host.file(place).mode & 0o022] == []


def test_a_key_starts_one_command_only(host: Host) -> None:
    lines = host.file(f"{HOME}/.ssh/authorized_keys").content_string.splitlines()
    keys = [line for line in lines if not line.startswith("#")]
    assert len(keys) == 1, "one operator is present"
    assert keys[0].startswith(
        'restrict,expiry-time="29991231235959Z",command="/usr/local/lib/bordbuch/logbook-shell anna '
    )


def test_signatures_of_who_left_count_until_their_keys_end(host: Host) -> None:
    signers = host.file(f"{HOME}/allowed_signers").content_string
    assert 'bert namespaces="git",valid-before="20201231120000Z"' in signers


def test_the_account_reads_its_repository_and_no_more(host: Host) -> None:
    with host.sudo("logbook"):
        assert host.run("git -c safe.directory=%s -C %s for-each-ref", REPOSITORY, REPOSITORY).rc == 0
        assert host.run("touch %s/hooks/update", REPOSITORY).rc != 0
        assert host.run("touch %s/config", REPOSITORY).rc != 0
