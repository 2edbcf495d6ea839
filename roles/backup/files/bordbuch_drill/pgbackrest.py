"""pgBackRest: how it is called, and the restore by it."""

import shutil
import time
from pathlib import Path

from bordbuch_drill.model import Drill, Failed, chosen, settled
from bordbuch_drill.programs import RESTORE_SECONDS, SHORT_SECONDS, Done, run
from bordbuch_drill.recovery import check_room, explain


def repository_options(drill: Drill) -> list[str]:
    """Return the options by which pgBackRest uses the escrow copy of its configuration, no other, and writes no log of its own."""
    return [
        f"--config={drill.paths.escrow}",
        f"--stanza={settled(drill).stanza}",
        f"--repo={drill.repository}",
        "--log-level-console=off",
        "--log-level-file=off",
    ]


def pgbackrest(drill: Drill, command: str, *options: str, seconds: int = SHORT_SECONDS) -> Done:
    """Run a command of pgBackRest."""
    words = [str(drill.paths.pgbackrest), *repository_options(drill), "--log-level-stderr=warn", *options, command]
    return run(drill, words, seconds)


def fetch_command(drill: Drill) -> str:
    """Return how the server gets WAL: what it cannot get stands in the server's log."""
    work = drill.paths.work
    options = ["--log-level-stderr=info", "--no-archive-async", f"--pg1-path={work}/data", f"--lock-path={work}/lock"]
    return " ".join([*map(str, [drill.paths.pgbackrest, *repository_options(drill), *options]), 'archive-get %f "%p"'])


def restore(drill: Drill) -> str:
    """Restore the backup into the work folder, with the target written beside it."""
    drill.restore_began = time.monotonic()
    work, to = drill.paths.work, drill.to
    kind, target = ("time", f"{to:%Y-%m-%d %H:%M:%S.%f+00}") if to else ("name", drill.target)
    check_room(shutil.disk_usage(work).free, chosen(drill).bytes)
    for name in ("data", "tablespaces", "lock", "socket"):
        (work / name).mkdir(mode=0o700)
    done = pgbackrest(
        drill,
        "restore",
        f"--set={chosen(drill).label}",
        f"--pg1-path={work}/data",
        f"--tablespace-map-all={work}/tablespaces",
        f"--lock-path={work}/lock",
        "--archive-mode=off",
        f"--type={kind}",
        f"--target={target}",
        "--target-action=promote",
        seconds=RESTORE_SECONDS,
    )
    if done.code:
        raise Failed(explain(done.err))
    drill.sizes["restored"] = size(work / "data") + size(work / "tablespaces")
    return f"{drill.sizes['restored'] / 1e6:.0f} MB in {time.monotonic() - drill.restore_began:.1f} s"


def size(folder: Path) -> int:
    """Return how many bytes the files below *folder* have."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
