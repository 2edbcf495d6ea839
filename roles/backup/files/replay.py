#!/usr/bin/python3 -I
"""Print what locks and deletes in a restored database whom the ledger says to be, as one script for psql.

    replay.py | psql -XAtq -v ON_ERROR_STOP=1 -d liquidfeedback    as postgres, on the host of the restored database

Nothing but numbers and three fixed words comes from the ledger into the script; a line that holds anything else ends this before
a word is printed. All happens in one transaction. Run twice, it does nothing more, except for the sessions since.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # with -I Python does not look beside the program
import ledger  # noqa: E402 - only now it is found

SETTINGS = """\
\\set ON_ERROR_STOP on
\\set QUIET on
\\pset format unaligned
\\pset tuples_only on
SET search_path = pg_catalog, pg_temp;
"""
"""What makes the output one line, and the names mean what they say whatever the database's owner has set."""


def script(state: ledger.State, number: int, highest: int, statements: str) -> str:
    """Return what psql is to run.

    *number* is that of the last marker, *highest* the highest member id that there ever was. *statements* read both, and
    the *state* of each member, from temporary tables.
    """
    rows = [f"{int(member)}\t{word}" for member, word in sorted(state.items())]
    return "\n".join(
        [
            f"{SETTINGS}BEGIN;",
            "CREATE TEMPORARY TABLE ledger (id integer PRIMARY KEY, state text NOT NULL) ON COMMIT DROP;",
            "CREATE TEMPORARY TABLE given (number bigint NOT NULL, highest bigint NOT NULL) ON COMMIT DROP;",
            *("COPY pg_temp.ledger (id, state) FROM STDIN;", *rows, "\\."),
            *("COPY pg_temp.given (number, highest) FROM STDIN;", f"{int(number)}\t{int(highest)}", "\\."),
            f"{statements.rstrip()}\nCOMMIT;\n",
        ]
    )


def highest_seen(state: ledger.State, markers: list[ledger.Marker]) -> int:
    """Return the highest member id that ledger or markers know of, 0 if none."""
    return max([0, *state, *(marker["highest"] for marker in markers)])


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--number-after", type=int, help="the marker that is set comes after this, not after the last one"
    )
    parser.add_argument("--folder", type=Path, default=ledger.FOLDER, help="where the ledger lies")
    return parser.parse_args()


def main() -> int:
    """Print the script, or what is wrong with the ledger; return the exit code."""
    asked = arguments()
    try:
        # Not to be there is not to be empty: without a ledger everybody who was locked would come back.
        state = ledger.states((asked.folder / "ledger").read_bytes())
        markers = ledger.markers(ledger.read(asked.folder / "markers"))
        last = markers[-1]["number"] if markers else 0
        number = last if asked.number_after is None else asked.number_after
        statements = (HERE / "replay.sql").read_text(encoding="utf-8")
        sys.stdout.write(script(state, number, highest_seen(state, markers), statements))
    except (ledger.Fault, OSError) as fault:
        print(f"replay: {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
