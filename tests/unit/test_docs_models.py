"""docs/models.md: every problem on it is answered, and it names every key of problems and answers."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fairslice.models.answers import PROBLEMS, answer_text, problem_class

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
SHOWN = {
    block["model"]: block for block in map(json.loads, re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
}


def told(model: str) -> set[str]:
    found = re.search(rf"^## {model}$(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return {word for code in re.findall(r"[`\"]([\w-]+)[`\"]", found[1]) for word in [code]}


def keys(value: Any) -> Iterator[str]:
    """Of a problem or an answer; percentiles and flows are names of their own."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not re.fullmatch(r"[\d.]+|a|b", key):
                yield key
            yield from keys(inner)
    elif isinstance(value, list):
        for one in value:
            yield from keys(one)


def test_every_model_has_its_section() -> None:
    assert SHOWN.keys() == PROBLEMS.keys()


@pytest.mark.parametrize("model", PROBLEMS)
def test_all_keys_are_told(model: str) -> None:
    answer = answer_text(json.dumps(SHOWN[model]), "docs/models.md")
    assert set(keys(answer)) | set(problem_class(model).model_fields) <= told(model) | {"model", "note"}
