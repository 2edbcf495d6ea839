#!/usr/bin/python3 -I
"""Prove a backup: restore it into a throwaway place, start the database, read it, replay the lock ledger, try the application.

    drill.py [REQUEST]      REQUEST is a JSON file, if it is there: {"id": "", "label": "", "to": "", "repository": 1}

The label is that of a backup, `random` for any of them, empty for the newest. `to` is a time (ISO, UTC); without it the target is
the newest marker that the repository holds. The repository is read with the escrow copy of the passphrase. All that comes into
being lies below $STATE_DIRECTORY/work, which is removed first and last; the result is $STATE_DIRECTORY/result.json, written anew
after each step. Exit code: 0 for the verdicts pass and partial, 1 for fail.
"""

import os
import sys
from pathlib import Path

# -I leaves out the folder of this file. It comes last, so that nothing in it goes before the standard library.
sys.path.append(str(Path(__file__).resolve().parent))

from bordbuch_drill.model import Paths
from bordbuch_drill.run import main

if __name__ == "__main__":
    if len(sys.argv) > 2 or "STATE_DIRECTORY" not in os.environ or sys.argv[1:] in (["-h"], ["--help"]):
        sys.exit(f"{__doc__}")
    sys.exit(main(sys.argv[1:], Paths(Path(os.environ["STATE_DIRECTORY"]))))
