"""What is told of a drill: the verdict and the result, written anew after each step."""

import json
import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from bordbuch_drill.model import Drill, Outcome
from bordbuch_drill.words import iso


def verdict(outcomes: Sequence[Outcome], names: Iterable[str]) -> str:
    """Return pass, partial or fail; a step of those *names* that was not come to is a failure."""
    if {*names} - {outcome.name for outcome in outcomes} or any(outcome.state == "failed" for outcome in outcomes):
        return "fail"
    left_out = any(outcome.state == "skipped" and not outcome.by_configuration for outcome in outcomes)
    return "partial" if left_out else "pass"


def result(drill: Drill, conclusion: str) -> dict[str, Any]:
    """Return what is to be told of the drill."""
    steps = [{key: vars(one)[key] for key in ("name", "state", "seconds", "detail")} for one in drill.outcomes]
    return {
        "verdict": conclusion,
        "id": drill.request.id,
        "started": iso(drill.started),
        "ended": iso(datetime.now(UTC)),
        "repository": drill.repository if drill.settings else drill.request.repository,
        "label": drill.backup.label if drill.backup else drill.request.label,
        "target": drill.target,
        "marker": drill.number,
        "steps": steps,
        "recovery_time_seconds": drill.recovery_time,
        "recovery_point_seconds": drill.recovery_point,
        "promised": {
            name: getattr(drill.settings, name, None) for name in ("recovery_time_seconds", "recovery_point_seconds")
        },
        "replayed": drill.replayed,
        "sizes": drill.sizes,
    }


def write_result(drill: Drill, conclusion: str) -> None:
    """Write the result whole or not at all."""
    aside = drill.paths.result.with_suffix(".new")
    with aside.open("w", encoding="utf-8") as file:
        json.dump(result(drill, conclusion), file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(drill.paths.result)
