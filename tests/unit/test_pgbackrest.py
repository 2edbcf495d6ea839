"""The seam to pgBackRest: what it is told, what its words and files mean."""

import contextlib
import json
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.pgbackrest_says import listed, printed, said, seam, wal

FILES = Path(__file__).resolve().parents[2] / "roles/backup/files"
FULL, DIFF = "20261125-021000F", "20261125-021000F_20261125-220000D"


# What it is told.


class Answers:
    """Stands for pgBackRest: gives the answers in turn, and keeps what it was told."""

    def __init__(self, *answers: tuple[int, str, str] | str) -> None:
        self.answers = [(0, answer, "") if isinstance(answer, str) else answer for answer in answers]
        self.told: list[list[str]] = []

    def __call__(self, command: Sequence[str], _seconds: float) -> subprocess.CompletedProcess[str]:
        self.told.append(list(command))
        return subprocess.CompletedProcess(command, *self.answers.pop(0))


def stanza(*answers: tuple[int, str, str] | str, **more: Any) -> tuple[Any, list[list[str]]]:
    run = Answers(*answers)
    return seam.Stanza("main", run=run, **more), run.told


QUIET = ["--log-level-console=off", "--log-level-file=off", "--log-level-stderr=warn"]


def test_a_backup_is_read_back_from_the_repository() -> None:
    main, told = stanza(said(FULL), "", said(FULL, DIFF), account="pgbackrest")
    assert main.back_up(1, "diff").label == DIFF
    before = ["runuser", "-u", "pgbackrest", "--", "pgbackrest", "--stanza=main", "--repo=1", *QUIET]
    assert told == [
        [*before, *rest] for rest in (["--output=json", "info"], ["--type=diff", "backup"], ["--output=json", "info"])
    ]
    main, _ = stanza(said(FULL), "", said(FULL))
    with pytest.raises(seam.Fault, match="ended well and there is no new backup"):
        main.back_up(1, "diff")


def test_no_backup_is_tried_where_the_repository_does_not_open() -> None:
    main, told = stanza(said(code=99))
    with pytest.raises(seam.Fault, match=r"^not ok$"):
        main.back_up(1, "full")
    assert len(told) == 1


def test_it_is_quoted_where_it_fails() -> None:
    main, told = stanza((82, "", "ERROR: [082]: WAL segment was not archived\n"))
    with pytest.raises(seam.Fault, match=r"^\[082\]: WAL segment was not archived$"):
        main.send_wal()
    assert told == [["pgbackrest", "--stanza=main", *QUIET, "check"]]


@pytest.mark.parametrize(
    ("target", "options"),
    [
        (("newest",), ["--type=default"]),
        (("backup",), ["--type=immediate", "--target-action=promote"]),
        (
            ("time", "2026-11-25 23:00:00+00"),
            ["--type=time", "--target=2026-11-25 23:00:00+00", "--target-action=promote"],
        ),
        (("name", "bordbuch-7"), ["--type=name", "--target=bordbuch-7", "--target-action=promote"]),
    ],
)
def test_a_restore_goes_as_far_as_it_is_told(target: tuple[str, ...], options: list[str]) -> None:
    main, told = stanza("", "")
    main.restore(1, FULL, seam.up_to(*target), 4)
    assert told[0][5:] == ["--log-level-stderr=warn", "--process-max=4", f"--set={FULL}", *options, "restore"]
    main.restore_aside(1, FULL, seam.up_to(*target), Path("/aside"), 60)
    assert [*options, "restore"] == told[1][-len(options) - 1 :]
    assert {"--archive-mode=off", "--pg1-path=/aside/data", "--tablespace-map-all=/aside/tablespaces"} < set(told[1])


def test_a_copy_aside_is_read_by_the_configuration_that_is_given_and_no_other() -> None:
    main, told = stanza((29, "", "ERROR: [029]: zst error"), configuration="/escrow.conf", program="/bin/tool")
    with pytest.raises(seam.Fault, match=r"^A file of the backup is damaged in the repository: \[029\]: zst error$"):
        main.restore_aside(2, FULL, seam.up_to("newest"), Path("/aside"), 60)
    assert told[0][:4] == ["/bin/tool", "--config=/escrow.conf", "--stanza=main", "--repo=2"]
    fetch = main.fetch_command(2, Path("/aside"))
    assert fetch.startswith("/bin/tool --config=/escrow.conf --stanza=main --repo=2 ")
    assert fetch.endswith(' --pg1-path=/aside/data --lock-path=/aside/lock archive-get %f "%p"')


MISSING = "status: error\n  total WAL checked: 3, missing: 1"


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        ("stanza: main\nstatus: ok\n", ""),
        (f"stanza: main\n{MISSING}", f"stanza: main\n{MISSING}"),
        ((41, "status: error\n", "ERROR: [041]: unable to open"), "[041]: unable to open"),
        ((27, "", ""), "pgBackRest ended with 27"),
    ],
)
def test_what_reading_every_file_has_found(answer: tuple[int, str, str] | str, wrong: str) -> None:
    assert stanza(answer)[0].verify(1, 60) == wrong


def test_wal_is_told_with_the_histories_beside_it() -> None:
    name = "000000010000000A000000FF"
    others = [f"{name}.00000028.backup", f"{name}.partial-{'0' * 40}.zst", "archive.info", name[:16], "."]
    paths = [f"{name[:16]}/{name}-{'0a' * 20}.zst", "0000000B.history", *others]
    main, told = stanza(json.dumps({path: {"type": "file", "time": 5} for path in paths}), "1\t0/5000000\tx\n")
    assert main.wal(1, "17-1") == ({name: 5}, {11})
    assert main.history(1, "17-1", 11) == "1\t0/5000000\tx\n"
    assert [command[-2:] for command in told] == [
        ["repo-ls", "archive/main/17-1"],
        ["repo-get", "archive/main/17-1/0000000B.history"],
    ]


@pytest.mark.parametrize(
    ("command", "sends"),
    [
        ("pgbackrest --stanza=main archive-push %p", True),
        ("/usr/bin/pgbackrest --stanza=main --log-level-console=warn archive-push '%p'", True),
        ("pgbackrest --stanza=main archive-push %p || true", False),
        ("pgbackrest --stanza=main archive-push %p; true", False),
        ("pgbackrest --stanza=other archive-push %p", False),
        ("pgbackrest --stanza=main archive-get %p", False),
        ("echo pgbackrest --stanza=main archive-push %p", False),
        ("pgbackrest --stanza=main archive-push '%p", False),
        ("", False),
    ],
)
def test_a_command_that_could_lie_does_not_send(command: str, sends: bool) -> None:
    assert seam.Stanza("main").sent_by(command) is sends


@given(st.text())
def test_whatever_stands_in_archive_command_is_judged(command: str) -> None:
    assert seam.Stanza("main").sent_by(command) in (True, False)


def test_what_takes_too_long_is_said_and_ended(tmp_path: Path) -> None:
    (tmp_path / "slow").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "slow").chmod(0o755)
    with pytest.raises(seam.Fault, match="pgBackRest was not done after 0 minutes"):
        seam.run([str(tmp_path / "slow")], 0.2)


# What it says of a repository.


def two_clusters(**more: Any) -> dict[str, Any]:
    """Return what is printed of two versions of PostgreSQL, and of a second repository."""
    first, second = {"id": 1, "repo-key": 1}, {"id": 2, "repo-key": 1}
    other = {"id": 2, "repo-key": 2}
    archive = [
        {"database": first, "id": "15-1", "max": wal.file_name(1, 4), "min": wal.file_name(1, 1)},
        {"database": second, "id": "17-2", "max": wal.file_name(2, 7), "min": wal.file_name(2, 6)},
        {"database": other, "id": "17-2", "max": None, "min": None},
    ]
    clusters = [{**first, "version": "15"}, {**second, "version": "17"}, {**other, "version": "17"}]
    backups = [
        listed("20261128-012322F", identity=2, stop=1795829007),
        listed("20261120-012322F", stop=1795137807),
        listed("20261128-012322F", identity=2, number=2, stop=1795829007),
    ]
    return printed(*backups, archive=archive, db=clusters, **more)


def listing(entry: Any, number: int = 1) -> Any:
    return seam.parse_listing(json.dumps([entry]), "main", number)


def test_backups_are_told_with_the_end_of_the_wal_of_their_cluster() -> None:
    found = listing(two_clusters())
    assert [(one.label, one.version, one.last_wal) for one in found.backups] == [
        ("20261120-012322F", "15", wal.file_name(1, 4)),
        ("20261128-012322F", "17", wal.file_name(2, 7)),
    ]
    assert (found.opens, found.absent, found.clusters) == (True, False, ("15-1", "17-2"))
    assert found.wal == (wal.file_name(2, 6), wal.file_name(2, 7))
    newest = found.backups[1]
    assert (newest.stop, newest.tool, newest.type, newest.damaged) == ("0/30004D8", "2.55.1", "full", False)
    assert (newest.database_bytes, newest.added_bytes, newest.stored_bytes) == (30_000_000, 4_200_000, 0)
    assert newest.ended == datetime.fromtimestamp(1795829007, UTC)


def test_what_the_other_repository_has_does_not_count() -> None:
    found = listing(two_clusters(), 2)
    assert [(one.label, one.last_wal) for one in found.backups] == [("20261128-012322F", "")]
    assert (found.clusters, found.wal) == (("17-2",), ("", ""))


GARBLED = (
    "[FormatError] unable to load info file '/r/backup.info' or '/r/backup.info.copy':\nFormatError: key/value found"
)


@pytest.mark.parametrize(
    ("code", "message", "told", "absent"),
    [
        (
            99,
            "[CryptoError] unable to load info file '/r/backup.info':\nCryptoError: unable",
            "the passphrase does not",
            False,
        ),
        (
            99,
            f"{GARBLED} outside of section at line 1: q\x01\x7f\ufffd\t@1",
            "the passphrase does not open the repository, or it is",
            False,
        ),
        (1, "missing stanza path", "missing stanza path", True),
        (3, "missing stanza data", "missing stanza data", True),
        (5, "something else", "something else", False),
    ],
)
def test_a_repository_is_judged_by_its_json(code: int, message: str, told: str, absent: bool) -> None:
    found = listing(printed(code=code, message=message, db=[], archive=[]))
    assert found.status.startswith(told)
    assert found.status.isprintable()
    assert (found.opens, found.absent, found.backups) == (False, absent, ())


def test_a_repository_without_a_backup_opens_and_one_without_the_stanza_does_not() -> None:
    empty = listing(printed(code=2, message="no valid backups"))
    assert (empty.opens, empty.status, empty.backups, empty.clusters) == (True, "no valid backups", (), ("17-1",))
    for text in ("[]", json.dumps([printed(name="other")])):
        found = seam.parse_listing(text, "main", 1)
        assert (found.opens, found.absent, found.status) == (False, True, "it has no stanza main")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "ERROR: [055]: unable to open missing file 'x'",
            "pgBackRest told nothing of it: [055]: unable to open missing file",
        ),
        ("", "pgBackRest told nothing of it: "),
        ('[{"name": "main", "status": {"code": 0, "message": ""}}]', "its answer cannot be read: KeyError: 'db'"),
        ("[7]", "its answer cannot be read: TypeError"),
        ("7", "its answer cannot be read: TypeError"),
    ],
)
def test_an_answer_that_is_none_is_a_fault(text: str, told: str) -> None:
    with pytest.raises(seam.Fault) as caught:
        seam.parse_listing(text, "main", 1)
    assert str(caught.value).startswith(told)


@given(
    st.recursive(st.none() | st.integers() | st.text(), lambda some: st.lists(some) | st.dictionaries(st.text(), some))
)
def test_whatever_is_answered_is_a_listing_or_a_fault(answer: Any) -> None:
    for text in (json.dumps(answer), json.dumps([{"name": "main", "status": answer}])):
        with contextlib.suppress(seam.Fault):
            assert not seam.parse_listing(text, "main", 1).opens


# What lies in a repository.

FULLS = st.integers(1, 360).map(lambda day: f"{20260000 + day}-021000F")
RESTS = st.lists(st.tuples(st.sampled_from("DI"), st.integers(0, 9)), max_size=3, unique=True)


@given(st.dictionaries(FULLS, RESTS, max_size=8), st.integers(1, 5), st.randoms())
def test_only_what_belongs_to_an_older_full_backup_goes(fulls: dict[str, Any], keep: int, random: Any) -> None:
    chains = {full: [full, *(f"{full}_20270101-02100{n}{kind}" for kind, n in rest)] for full, rest in fulls.items()}
    labels = [label for chain in chains.values() for label in chain]
    random.shuffle(labels)
    kept = sorted(chains)[-keep:]
    assert {*seam.too_old(labels, keep)} == {label for full in chains if full not in kept for label in chains[full]}


def test_the_oldest_chain_goes() -> None:
    old, its, new = "20261101-021000F", "20261101-021000F_20261104-021000D", "20261108-021000F"
    assert seam.too_old([new, its, old, FULL, DIFF], 2) == [old, its]
    assert seam.too_old([old, its], 1) == []


def test_what_is_never_written_again_is_finished(tmp_path: Path) -> None:
    half = "20261128-021000F"
    finished = [
        "archive/main/17-1/0000000100000000/a.zst",
        f"backup/main/{FULL}/backup.manifest",
        f"backup/main/{FULL}/pg/b.zst",
        "backup/main/backup.history/2026/x.manifest.gz",
    ]
    others = [
        "archive/main/archive.info",
        "backup/main/backup.info.copy",
        f"backup/main/{FULL}/c.pgbackrest.tmp",
        "x.lock",
    ]
    others += [f"backup/main/{half}/backup.manifest.copy", f"backup/main/{half}/bundle/1"]  # it failed half way
    for name in [*finished, *others, "ledger/ledger", "backup/main/y.lock", "not-ours"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert sorted(seam.finished(str(tmp_path))) == [str(tmp_path / name) for name in finished]


def test_no_other_program_of_the_hosts_knows_how_it_is_called() -> None:
    """Options, fields and files of pgBackRest stand in the seam, or it is none."""
    words = (
        "--stanza=",
        "--repo=",
        "repo-ls",
        "repo-get",
        "stanza-create",
        "archive-push",
        "archive-get",
        "backup.info",
    )
    words += (
        "backup.manifest",
        "archive.info",
        '"backrest"',
        '"repo-key"',
        "--output=json",
        "--target-action",
        "--set=",
    )
    root = FILES.parents[2]
    places = ("roles/backup/files/**/*.py", "roles/backup/tasks/*.yml", "playbooks/library/*.py", "ops/**/*.py")
    programs = [path for place in places for path in root.glob(place)]
    assert len(programs) > 100
    knowing = {path.name: [word for word in words if word in path.read_text()] for path in programs}
    assert [name for name, found in knowing.items() if found] == ["bordbuch_pgbackrest.py"]
