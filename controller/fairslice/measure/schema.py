"""The JSON Schema of results.json.

``python -m fairslice.measure.schema > schemas/results.schema.json`` writes it anew.
"""

import json
from typing import Any

from pydantic import TypeAdapter

from fairslice.measure.results import RunResult

SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema of what ``fairslice run`` writes now: every key is there, and none besides."""
    found = TypeAdapter(RunResult).json_schema(by_alias=True, mode="serialization")
    # Keys with a default may lack in older files; a new one has them all.
    for one in (found, *found["$defs"].values()):
        one["required"] = list(one["properties"])
    return {"$schema": SCHEMA_DIALECT, **found, "title": "results.json of fairslice, schema 2"}


def json_schema_text() -> str:
    """The schema as it is checked in."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(json_schema_text(), end="")
