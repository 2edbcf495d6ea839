"""What is carried to the host: the files of a site and nothing else, and a list of them that says what they were made from."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ops.errors import BadInput
from ops.logbook.canonical import canonical
from ops.logbook.model import Model

LIST = "made.json"
FOLDER = "site"
KINDS = (".html", ".css", ".js", ".csv", ".json")
STORE = ".state.sqlite"
"""How the names of the files begin that a build keeps for itself; they stay here."""


class Made(Model):
    """What a published site holds: path → SHA-256.

    ``head`` is the newest entry of the logbook in it, ``basis`` a digest of what else it was made from.
    """

    head: str
    basis: str
    files: dict[str, str]


@dataclass(frozen=True)
class Difference:
    """The paths of files that are new, that changed, and that are no more."""

    new: tuple[str, ...]
    changed: tuple[str, ...]
    gone: tuple[str, ...]


def read(folder: Path) -> dict[str, bytes]:
    """Return path → content of every file of the site in *folder*.

    Raises:
        BadInput: something lies there that no build has made.
    """
    found = [path for path in sorted(folder.rglob("*")) if not path.name.startswith(STORE)]
    strange = [path for path in found if not _is_ours(path, folder)]
    if strange:
        raise BadInput(
            f"{strange[0]} is none of the pages",
            left="nothing was published",
            next_step=f"rm -r {folder} and publish again: it is made anew",
        )
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found if path.is_file()}


def _is_ours(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return not hidden and not path.is_symlink() and (path.is_dir() or (path.is_file() and path.suffix in KINDS))


def listed(files: Mapping[str, bytes], head: str, basis: str) -> Made:
    """Return the list of *files*, made from the logbook up to *head* and from *basis*."""
    return Made(head=head, basis=basis, files={path: hashlib.sha256(text).hexdigest() for path, text in files.items()})


def compare(old: Made | None, new: Made) -> Difference:
    """Return in what *new* differs from what was published before, None where nothing was."""
    before = old.files if old else {}
    return Difference(
        new=tuple(path for path in new.files if path not in before),
        changed=tuple(path for path, digest in new.files.items() if before.get(path, digest) != digest),
        gone=tuple(path for path in before if path not in new.files),
    )


def packed(files: Mapping[str, bytes], made: Made) -> bytes:
    """Return the archive of *files* and their list; the same files give the same bytes."""
    out = io.BytesIO()
    whole = {LIST: canonical(made.model_dump()), **{f"{FOLDER}/{path}": text for path, text in sorted(files.items())}}
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for name, text in whole.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(text), 0o640
            tar.addfile(member, io.BytesIO(text))
    return out.getvalue()
