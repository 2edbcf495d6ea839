"""Our verdict on a signature is git's (and so ssh-keygen's), commit by commit, whatever was done to it."""

import base64
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.errors import Failed
from ops.logbook import sshsig
from ops.logbook.history import Verdict, commit_of
from ops.logbook.operators import KEY_TYPES, Operators
from ops.logbook.rawcommit import take_apart
from ops.logbook.verify import audit
from tests.bench.signing import Signing, field, signed_commit
from tests.unit.logbook_world import ID, GitError, World, change, file_bytes, forge, path, record_change, run, take

GOOD = Signing(b"anna")
DEVICE = Signing(b"bert", device=True)
OTHER = Signing(b"mallory")
SIGNERS = {GOOD.blob: "anna", DEVICE.blob: "bert"}
PAYLOAD = (
    b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n"
    b"author anna <anna@bordbuch.invalid> 1795604400 +0000\n"
    b"committer anna <anna@bordbuch.invalid> 1795604400 +0000\n"
    b"\nplan\n\nwith an empty line\n"
)
SIGNED = signed_commit(PAYLOAD, GOOD.sign(PAYLOAD))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository to put commits into, with the list of who may sign beside it."""
    made = tmp_path_factory.mktemp("commits")
    run(made, "init", "--quiet", "--initial-branch=main", str(made))
    run(made, "hash-object", "-w", "-t", "tree", "--stdin")
    lines = [f'{name} namespaces="git" {key.public}\n' for name, key in (("anna", GOOD), ("bert", DEVICE))]
    (made / "signers").write_text("".join(lines))
    return made


def stored(folder: Path, raw: bytes) -> str:
    return run(folder, "hash-object", "-w", "-t", "commit", "--literally", "--stdin", stdin=raw)


def git_says(folder: Path, *commits: str, signers: Path | None = None) -> dict[str, Verdict]:
    """Return git's verdict on each of *commits*, by one ssh-keygen process each."""
    settings = ("-c", "gpg.format=ssh", "-c", f"gpg.ssh.allowedSignersFile={signers or folder / 'signers'}")
    out = asked(folder, *settings, "log", "--no-walk=unsorted", "--format=%H%x00%G?%x00%GS%x00%GF", *commits)
    rows = [line.split("\0") for line in out.splitlines() if line.count("\0") == 3]
    return {name: Verdict(*rest) for name, *rest in rows}


def asked(folder: Path, *arguments: str) -> str:
    """Ask git, again where it dies of SIGPIPE: git 2.39 does when ssh-keygen has seen enough before all is written to it."""
    for _ in range(20):
        try:
            return run(folder, *arguments)
        except GitError as error:
            if error.code != -signal.SIGPIPE:
                raise
    raise AssertionError("git died of SIGPIPE each time")


def we_say(raw: bytes, signers: dict[bytes, str] = SIGNERS) -> Verdict:
    found = commit_of("", raw, signers)
    return Verdict(found.verdict, found.principal, found.fingerprint)


def blob_of(signature: bytes) -> bytes:
    return base64.b64decode(b"".join(signature.split(b"\n")[1:-2]))


def armored(blob: bytes) -> bytes:
    text = base64.b64encode(blob)
    return b"-----BEGIN SSH SIGNATURE-----\n" + text + b"\n-----END SSH SIGNATURE-----\n"


def edited(old: bytes, new: bytes) -> bytes:
    assert old in blob_of(GOOD.sign(PAYLOAD))
    return signed_commit(PAYLOAD, armored(blob_of(GOOD.sign(PAYLOAD)).replace(old, new, 1)))


SIGNATURE = GOOD.sign(PAYLOAD)
OTHER_PAYLOAD = PAYLOAD.replace(b"plan", b"another plan")
UNKNOWN_KIND = field(field(b"ssh-dss") + field(b"x"))

COMMITS: dict[str, tuple[bytes, str]] = {
    "good": (SIGNED, "G"),
    "good, hash sha256": (signed_commit(PAYLOAD, GOOD.sign(PAYLOAD, digest="sha256")), "G"),
    "good, by a device": (signed_commit(PAYLOAD, DEVICE.sign(PAYLOAD)), "G"),
    "in one line": (signed_commit(PAYLOAD, armored(blob_of(SIGNATURE))), "G"),
    "text behind its end": (signed_commit(PAYLOAD, SIGNATURE + b"more\n"), "G"),
    "blanks in it": (signed_commit(PAYLOAD, SIGNATURE.replace(b"U1NI", b"U1 \tNI", 1)), "G"),
    "two signatures, the first good": (signed_commit(PAYLOAD, SIGNATURE + OTHER.sign(PAYLOAD)), "G"),
    "two headers, the first good": (
        signed_commit(PAYLOAD, SIGNATURE)
        .replace(b"\ngpgsig ", b"\ngpgsig ", 1)
        .replace(b"\n\nplan", b"\ngpgsig " + OTHER.sign(PAYLOAD).rstrip().replace(b"\n", b"\n ") + b"\n\nplan", 1),
        "G",
    ),
    "two headers, the second good": (signed_commit(signed_commit(PAYLOAD, SIGNATURE), OTHER.sign(PAYLOAD)), "G"),
    "a header for another hash": (SIGNED.replace(b"\ngpgsig ", b"\ngpgsig-sha256 x\n y\ngpgsig ", 1), "G"),
    "a header that is not signed": (SIGNED.replace(b"\ngpgsig ", b"\ngpgsigs anything\n at all\ngpgsig ", 1), "G"),
    "a header that is signed": (SIGNED.replace(b"\ngpgsig ", b"\nencoding UTF-8\ngpgsig ", 1), "B"),
    "not signed": (PAYLOAD, "N"),
    "signature in the message": (PAYLOAD + b"gpgsig " + SIGNATURE.replace(b"\n", b"\n "), "N"),
    "message edited": (SIGNED.replace(b"plan", b"plot"), "B"),
    "tree edited": (SIGNED.replace(b"tree 4b", b"tree 4c"), "B"),
    "committer edited": (SIGNED.replace(b"committer anna", b"committer bert"), "B"),
    "date edited": (SIGNED.replace(b"1795604400", b"1795604401"), "B"),
    "of another commit": (signed_commit(OTHER_PAYLOAD, SIGNATURE), "B"),
    "unknown key": (signed_commit(PAYLOAD, OTHER.sign(PAYLOAD)), "U"),
    "unknown key, message edited": (signed_commit(OTHER_PAYLOAD, OTHER.sign(PAYLOAD)), "B"),
    "for files": (signed_commit(PAYLOAD, GOOD.sign(PAYLOAD, b"file")), "B"),
    "for files, said to be for git": (edited(field(b"git"), field(b"gut")), "B"),
    "unknown key, for files": (signed_commit(PAYLOAD, OTHER.sign(PAYLOAD, b"file")), "B"),
    "another hash named": (edited(field(b"sha512"), field(b"sha256")), "B"),
    "unknown hash": (edited(field(b"sha512"), field(b"sha1")), "B"),
    "key exchanged": (edited(GOOD.blob, OTHER.blob), "B"),
    "unknown type of key": (edited(field(GOOD.blob), UNKNOWN_KIND), "B"),
    "newer version": (edited(b"SSHSIG\0\0\0\1", b"SSHSIG\0\0\0\2"), "B"),
    "another magic": (edited(b"SSHSIG", b"SSHSIC"), "B"),
    "a byte too much": (signed_commit(PAYLOAD, armored(blob_of(SIGNATURE) + b"\0")), "B"),
    "a byte too few": (signed_commit(PAYLOAD, armored(blob_of(SIGNATURE)[:-1])), "B"),
    "a byte of it turned": (signed_commit(PAYLOAD, armored(blob_of(SIGNATURE)[:-1] + b"\0")), "B"),
    "no end": (signed_commit(PAYLOAD, SIGNATURE.replace(b"-----END", b"-----BEND")), "B"),
    "no base64": (signed_commit(PAYLOAD, SIGNATURE.replace(b"U1NI", b"U1N*", 1)), "B"),
    "device: flags edited": (
        signed_commit(PAYLOAD, armored(blob_of(DEVICE.sign(PAYLOAD))[:-5] + b"\0\0\0\0\7")),
        "B",
    ),
    "device: counter missing": (signed_commit(PAYLOAD, armored(blob_of(DEVICE.sign(PAYLOAD))[:-4])), "B"),
}


@pytest.mark.parametrize("case", COMMITS)
def test_both_verdicts_are_the_same(folder: Path, case: str) -> None:
    raw, letter = COMMITS[case]
    commit = stored(folder, raw)
    assert we_say(raw) == git_says(folder, commit)[commit]
    assert we_say(raw).letter == letter


BROKEN = {
    "begins with a blank": signed_commit(PAYLOAD, b" " + SIGNATURE),
    "begins otherwise": signed_commit(PAYLOAD, SIGNATURE.replace(b"BEGIN", b"BEGUN")),
    "is empty": signed_commit(PAYLOAD, b""),
    "is text": signed_commit(PAYLOAD, b"looks good to me\n"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_ends_git_is_not_good(folder: Path, case: str) -> None:
    """One such commit, and git prints nothing of the whole history any more."""
    commit = stored(folder, BROKEN[case])
    with pytest.raises(Exception, match="bad/incompatible signature"):
        git_says(folder, commit)
    assert we_say(BROKEN[case]).letter == "B"


KEYS = {"ed25519": (), "ecdsa": ("256", "384"), "rsa": ("1024", "2048", "3072")}


@pytest.mark.parametrize(("kind", "bits"), [(kind, bits) for kind, sizes in KEYS.items() for bits in sizes or ("",)])
def test_every_type_of_key_that_ssh_keygen_makes(folder: Path, tmp_path: Path, kind: str, bits: str) -> None:
    key = tmp_path / "key"
    size = ("-b", bits) if bits else ()
    subprocess.run(["ssh-keygen", "-q", "-t", kind, *size, "-N", "", "-C", "", "-f", str(key)], check=True)
    public = key.with_suffix(".pub").read_text().strip()
    assert public.split()[0] in KEY_TYPES
    (tmp_path / "signers").write_text(f'anna namespaces="git" {public}\n')
    signers = {base64.b64decode(public.split()[1]): "anna"}
    for digest in ("sha256", "sha512"):
        sign = ["ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-O", f"hashalg={digest}", "-f", str(key)]
        signature = subprocess.run(sign, input=PAYLOAD, capture_output=True, check=True).stdout
        good, bad = signed_commit(PAYLOAD, signature), signed_commit(OTHER_PAYLOAD, signature)
        names = [stored(folder, raw) for raw in (good, bad)]
        said = git_says(folder, *names, signers=tmp_path / "signers")
        assert [we_say(raw, signers) for raw in (good, bad)] == [said[name] for name in names]
        assert [said[name].letter for name in names] == ["G", "B"]
        assert we_say(good).letter == "U"


def test_an_rsa_signature_with_sha1_is_not_good(tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", str(tmp_path / "key")], check=True)
    sign = ["ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-f", str(tmp_path / "key")]
    blob = blob_of(subprocess.run(sign, input=PAYLOAD, capture_output=True, check=True).stdout)
    kind = re.search(rb"rsa-sha2-512", blob)
    assert kind
    with pytest.raises(sshsig.BadSignature, match="ssh-rsa"):
        sshsig.verify(armored(_retyped(blob)), PAYLOAD)


def _retyped(blob: bytes) -> bytes:
    head, _, rest = blob.rpartition(field(b"rsa-sha2-512"))
    length = int.from_bytes(head[-4:], "big") - len(b"rsa-sha2-512") + len(b"ssh-rsa")
    return head[:-4] + length.to_bytes(4, "big") + field(b"ssh-rsa") + rest


TAMPERED: dict[str, Callable[[World], str]] = {
    "as it is": lambda world: run(world.folder / "clone", "rev-parse", "main"),
    "unsigned": lambda world: forge(world, {path("start-2.json"): b"{}"}, signer=None),
    "unknown key": lambda world: forge(world, {path("start-2.json"): b"{}"}, signer="mallory"),
    "another office": lambda world: forge(world, {path("start-2.json"): b"{}"}, signer="carl", committer="carl"),
    "another operator": lambda world: forge(world, {path("start-2.json"): b"{}"}, signer="bert"),
    "edited": lambda world: forge(world, {path("record.json"): b"{}"}),
    "merged": lambda world: forge(
        world, {}, parents=tuple(run(world.folder / "clone", "rev-parse", "main", "main~2").split())
    ),
}


def test_a_whole_logbook_has_the_same_verdicts(tmp_path: Path) -> None:
    world = World(tmp_path)
    record_change(world)
    for tamper in TAMPERED.values():
        take(world, tamper(world))
    clone, signers = world.folder / "clone", tmp_path / "signers"
    signers.write_text(
        "".join(f'{name} namespaces="git" {public(blob)}\n' for blob, name in world.operators.signers().items())
    )
    commits = run(clone, "rev-list", "main").split()
    said = git_says(clone, *commits, signers=signers)
    raws = {name: run_bytes(clone, name) for name in commits}
    assert {name: we_say(raw, world.operators.signers()) for name, raw in raws.items()} == said
    assert {verdict.letter for verdict in said.values()} == {"G", "U", "N"}


def run_bytes(clone: Path, commit: str) -> bytes:
    return subprocess.run(
        ["git", "-C", str(clone), "cat-file", "commit", commit], capture_output=True, check=True
    ).stdout


def public(blob: bytes) -> str:
    return f"ssh-ed25519 {base64.b64encode(blob).decode()}"


def test_only_headers_that_the_logbook_writes_are_usual() -> None:
    assert take_apart(SIGNED).usual
    unusual = [name for name, (raw, _) in COMMITS.items() if not take_apart(raw).usual]
    assert unusual == [name for name in COMMITS if "headers" in name or name.startswith("a header")]


def test_the_key_is_the_operators(tmp_path: Path) -> None:
    keys = [{"public": GOOD.public, "valid_until": "2026-01-01"}, {"public": DEVICE.public}]
    people = [{"name": "anna", "office": "administration", "keys": keys}]
    people.append({"name": "carl", "office": "clearing", "keys": [{"public": OTHER.public}]})
    operators = Operators.parse(people, tmp_path)
    assert operators.signers() == {GOOD.blob: "anna", DEVICE.blob: "anna"}
    assert we_say(SIGNED, operators.signers()).fingerprint == operators.all[0].keys[0].fingerprint


@given(st.binary(max_size=400))
def test_any_bytes_are_judged_without_another_fault(data: bytes) -> None:
    for raw in (data, b"gpgsig " + data, signed_commit(PAYLOAD, data), signed_commit(PAYLOAD, armored(data))):
        assert we_say(raw).letter in "NB"
    for fields in (data, field(data), b"SSHSIG\0\0\0\1" + field(data) * 5):
        with pytest.raises(sshsig.BadSignature):
            sshsig.verify(armored(fields), PAYLOAD)
        with pytest.raises(sshsig.BadSignature):
            sshsig.key_check(fields)


SIGNATURES = [SIGNATURE, DEVICE.sign(PAYLOAD)]


@given(st.sampled_from(SIGNATURES), st.integers(0, 2000), st.binary(max_size=6), st.integers(0, 6))
def test_a_signature_with_bytes_exchanged_is_good_or_bad(signature: bytes, place: int, new: bytes, gone: int) -> None:
    blob = blob_of(signature)
    at = place % len(blob)
    other = blob[:at] + new + blob[at + gone :]
    verdict = we_say(signed_commit(PAYLOAD, armored(other)))
    assert verdict.letter in "GUB"
    # The version may be 0, and what is reserved may hold anything: neither is signed, and ssh-keygen passes over both.
    assert verdict.letter != "U"
    assert verdict.letter == "B" or sshsig.parse(armored(other))[:2] == sshsig.parse(signature)[:2]


def test_an_object_that_was_changed_on_the_disk_is_not_believed(tmp_path: Path) -> None:
    """git itself shows such an object as if it were the one that was signed."""
    world = World(tmp_path)
    record_change(world)
    clone = world.folder / "clone"
    for kind, name in (("blob", f"main:{path('record.json')}"), ("commit", "main~1")):
        identifier = run(clone, "rev-parse", name)
        object_file = clone / ".git" / "objects" / identifier[:2] / identifier[2:]
        kept = object_file.read_bytes()
        lie = run(clone, "hash-object", "-w", "-t", kind, "--literally", "--stdin", stdin=lied(clone, kind, identifier))
        object_file.chmod(0o644)
        object_file.write_bytes((clone / ".git" / "objects" / lie[:2] / lie[2:]).read_bytes())
        with pytest.raises(Failed, match="is not what its name says"):
            world.audit()
        object_file.write_bytes(kept)
    assert world.audit().good


def lied(clone: Path, kind: str, identifier: str) -> bytes:
    content = subprocess.run(
        ["git", "-C", str(clone), "cat-file", kind, identifier], capture_output=True, check=True
    ).stdout
    return content.replace(b"anna", b"bert")


def test_a_folder_that_was_changed_on_the_disk_is_found(tmp_path: Path) -> None:
    world = World(tmp_path)
    record_change(world)
    clone = world.folder / "clone"
    whole = run(clone, "rev-parse", f"main:changes/2026/11/{ID}")
    less = run(clone, "rev-parse", f"main~1:changes/2026/11/{ID}")
    objects = clone / ".git" / "objects"
    (objects / whole[:2] / whole[2:]).chmod(0o644)
    (objects / whole[:2] / whole[2:]).write_bytes((objects / less[:2] / less[2:]).read_bytes())
    assert "record.json" not in run(clone, "ls-tree", "-r", "--name-only", "main")
    found = audit(world.clone(), world.operators, cold=True).findings
    assert "holds other files than git shows" in "\n".join(one.what for one in found)


def test_the_plan_of_the_world_is_signed(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.clone().add({path("plan.json"): file_bytes(change()["plan.json"])}, "x")
    raw = run_bytes(world.folder / "clone", "main")
    assert we_say(raw, world.operators.signers()).principal == "anna"
