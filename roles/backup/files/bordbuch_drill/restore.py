"""The repository as a drill sees it, by the escrow copy of the passphrase alone, and the restore from it."""

import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from bordbuch_pgbackrest import Stanza, up_to

from bordbuch_drill.model import Drill, chosen, settled
from bordbuch_drill.programs import RESTORE_SECONDS, run
from bordbuch_drill.recovery import check_room


def stanza(drill: Drill) -> Stanza:
    """Return what is restored from, within the bounds of every program of a drill."""

    def bounded(command: Sequence[str], seconds: float) -> subprocess.CompletedProcess[str]:
        done = run(drill, command, int(seconds))
        return subprocess.CompletedProcess(command, done.code, done.out, done.err)

    paths = drill.paths
    return Stanza(settled(drill).stanza, "", str(paths.escrow), str(paths.pgbackrest), bounded)


def restore(drill: Drill) -> str:
    """Restore the backup into the work folder, with the target written beside it."""
    drill.restore_began = time.monotonic()
    work, to = drill.paths.work, drill.to
    target = up_to("time", f"{to:%Y-%m-%d %H:%M:%S.%f+00}") if to else up_to("name", drill.target)
    check_room(shutil.disk_usage(work).free, chosen(drill).database_bytes)
    for name in ("data", "tablespaces", "lock", "socket"):
        (work / name).mkdir(mode=0o700)
    stanza(drill).restore_aside(drill.repository, chosen(drill).label, target, work, RESTORE_SECONDS)
    drill.sizes["restored"] = size(work / "data") + size(work / "tablespaces")
    return f"{drill.sizes['restored'] / 1e6:.0f} MB in {time.monotonic() - drill.restore_began:.1f} s"


def size(folder: Path) -> int:
    """Return how many bytes the files below *folder* have."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
