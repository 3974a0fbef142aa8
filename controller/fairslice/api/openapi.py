"""The OpenAPI 3.1 document of a controller, made from the table of its routes.

``python -m fairslice.api.openapi > schemas/openapi.json`` writes it anew.
"""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from fairslice import __version__
from fairslice.api.routes import ALWAYS, ROUTES, Route
from fairslice.api.status import ProblemView

_REFERENCE = "#/components/schemas/{model}"


def document() -> dict[str, Any]:
    """The document as a value fit for ``json.dump`` (OpenAPI 3.1; schemas are JSON Schema 2020-12)."""
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = [(ProblemView, "serialization")]
    for route in ROUTES:
        models.append((route.answer, "serialization"))
        if route.body is not None and route.body.model is not None:
            models.append((route.body.model, "validation"))
    found, definitions = models_json_schema(models, ref_template=_REFERENCE)
    references = {of: schema for (of, _), schema in found.items()}
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, references)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "fairslice controller",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": definitions["$defs"]},
    }


def _operation(route: Route[Any], references: Mapping[Any, Any]) -> Any:
    answer = references[route.answer]
    problem = references[ProblemView]
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "responses": {
            "200": {"description": "Done.", "content": {"application/json": {"schema": answer}}},
        },
    }
    for status, why in sorted({**ALWAYS, **route.refusals}.items()):
        operation["responses"][str(status)] = {
            "description": why,
            "content": {"application/json": {"schema": problem}},
        }
    if parameters := _parameters(route.query):
        operation["parameters"] = parameters
    if route.body is not None:
        model = route.body.model
        schema = {"type": "string"} if model is None else references[model]
        operation["requestBody"] = {
            "required": True,
            "content": {route.body.media_type: {"schema": schema}},
        }
    return operation


def _parameters(query: type[BaseModel]) -> list[dict[str, Any]]:
    found = query.model_json_schema()
    required = found.get("required", ())
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "description": schema.pop("description", ""),
            "schema": schema,
        }
        for name, schema in found.get("properties", {}).items()
    ]


def document_text() -> str:
    """The document as it is checked in."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(document_text(), end="")
