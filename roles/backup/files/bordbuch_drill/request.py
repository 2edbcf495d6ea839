"""What is asked for, and what the configuration says."""

import json

from bordbuch_pgbackrest import LABEL

from bordbuch_drill.model import Failed, Request, Settings
from bordbuch_drill.words import parse_time


def parse_request(text: str) -> Request:
    """Return what is asked for.

    Raises:
        Failed: it cannot be understood.
    """
    try:
        said = dict(json.loads(text))
        words = {name: str(said.pop(name, "")) for name in ("id", "label", "to")}
        request = Request(**words, repository=int(said.pop("repository", 0)))
        if request.to:
            parse_time(request.to)
    except (ValueError, TypeError) as error:
        raise Failed(f"The request cannot be understood: {error}.") from error
    if said:
        raise Failed(f"The request cannot be understood: nothing is known of {', '.join(sorted(said))}.")
    if request.label not in ("", "random") and not LABEL.fullmatch(request.label):
        raise Failed(f"{request.label!r} is no label of a backup.")
    return request


def of_the_week(week: int, settings: str) -> str:
    """Return the request of a drill that nobody asked for: each repository in turn, its newest backup first, then any.

    Args:
        week: number of the week; the next one has the next turn.
        settings: the configuration. Where it cannot be understood the drill itself says why.
    """
    try:
        numbers = [int(place["number"]) for place in json.loads(settings)["places"] if place["kind"] == "posix"]
    except (ValueError, KeyError, TypeError):
        return "{}"
    if not numbers:
        return "{}"
    label = ("", "random")[week // len(numbers) % 2]
    return json.dumps({"repository": numbers[week % len(numbers)], "label": label})


def parse_settings(text: str) -> Settings:
    """Return what the configuration says.

    Raises:
        Failed: it cannot be understood.
    """
    try:
        said = json.loads(text)
        return Settings(
            stanza=said["stanza"],
            repositories=tuple(said["repositories"]),
            version=str(said["version"]),
            database=said["database"]["name"],
            recovery_point_seconds=int(said["recovery_point_seconds"]),
            recovery_time_seconds=int(said["recovery_time_seconds"]),
            may_be_empty=tuple(said.get("may_be_empty", ())),
            application=bool(said.get("application", True)),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Failed(f"The configuration cannot be understood: {type(error).__name__}: {error}.") from error
