"""The step that replays the ledger, so that nobody comes back who was locked."""

import json
from collections.abc import Mapping

from bordbuch_drill.contents import final_states
from bordbuch_drill.model import Drill, Failed
from bordbuch_drill.programs import SHORT_SECONDS, read, run
from bordbuch_drill.server import ask, owner
from bordbuch_drill.words import first_line


def replay(drill: Drill) -> str:
    """Replay the ledger, and ask the database whether nobody has come back."""
    script = run(drill, [str(drill.paths.replay)], SHORT_SECONDS)
    if script.code:
        raise Failed(f"The ledger's replay could not be written: {first_line(script.err)}.")
    drill.replayed = json.loads(ask(drill, script.out).splitlines()[-1])
    states = final_states(read(drill.paths.ledger / "ledger", "The ledger"))
    back = came_back(drill, states)
    left = ask(drill, "SELECT (SELECT count(*) FROM session) + (SELECT count(*) FROM token)", owner(drill))
    if back or left != "0":
        raise Failed(
            f"After the replay {back} members are not as the ledger says, and {left} sessions and tokens are there."
        )
    counts = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in drill.replayed.items())
    return f"{len(states)} members are as the ledger says; {counts}"


def came_back(drill: Drill, states: Mapping[int, str]) -> int:
    """Return how many members are here who by the ledger are deleted, or can act though they are locked."""
    rows = ", ".join(f"({number}, '{state}')" for number, state in states.items() if state != "unlocked")
    if not rows:
        return 0
    condition = "NOT m.locked OR m.active OR (s.state = 'deleted' AND m.deleted IS NULL)"
    query = f"SELECT count(*) FROM member m JOIN (VALUES {rows}) AS s (id, state) USING (id) WHERE {condition}"  # noqa: S608  numbers
    return int(ask(drill, query, owner(drill)))
