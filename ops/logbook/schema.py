"""JSON Schemas of the phase files, for readers that are not ours: ``python -m ops.logbook.schema`` writes them."""

import json
import sys
from pathlib import Path

from ops.logbook.model import Approval, Event, Model, Plan, Record, Start

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "generated" / "schema"
MODELS: dict[str, type[Model]] = {"plan": Plan, "approval": Approval, "start": Start, "event": Event, "record": Record}


def schemas() -> dict[str, str]:
    """Return the text of each schema by the name of its file."""
    return {f"{name}.json": _text(model) for name, model in MODELS.items()}


def _text(model: type[Model]) -> str:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **model.model_json_schema(mode="serialization"),
    }
    return json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def write(folder: Path) -> None:
    """Write all schemas to *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schemas().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
