"""docs/rest.md has every route, status and limit, and its examples are answered."""

import http.client
import json
import re
import shlex
from pathlib import Path
from urllib.parse import urlsplit

from fairslice.api.openapi import document
from fairslice.api.routes import ALWAYS, OPENAPI_PATH, ROUTES
from fairslice.api.status import ProblemView, StatusView
from fairslice.control.rest.limits import Limits
from fairslice.testing.rest import played_rest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "rest.md").read_text(encoding="utf-8")
ADDED = {405}
"""What the server refuses before it comes to a route."""


def examples() -> list[list[str]]:
    return [shlex.split(line) for line in TEXT.splitlines() if line.startswith("    curl ")]


def carry_out(words: list[str], port: int) -> tuple[str, str, int, bytes]:
    """Ask what a curl command asks; route, query, status and body."""
    method, body, url = "GET", None, ""
    rest = iter(words[1:])
    for word in rest:
        match word:
            case "-X":
                method = next(rest)
            case "-d":
                body = next(rest).encode()
            case "--data-binary":
                body = (ROOT / next(rest).removeprefix("@")).read_bytes()
            case _:
                assert not url
                url = word
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc) == ("http", "127.0.0.1:8080")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, f"{parts.path}?{parts.query}", body)
    answer = connection.getresponse()
    found = f"{method} {parts.path}", parts.query, answer.status, answer.read()
    connection.close()
    return found


def test_every_example_is_answered_and_every_route_has_one() -> None:
    with played_rest() as (service, port):
        asked = [carry_out(words, port) for words in examples()]
    assert {route for route, *_ in asked} == {
        *(f"{route.method} {route.path}" for route in ROUTES),
        f"GET {OPENAPI_PATH}",
    }
    assert {status for _, _, status, _ in asked} == {200}
    policy = ROOT / "policies" / "gold-silver-bronze.yaml"
    assert ("apply", policy.read_text(encoding="utf-8"), policy.name) in service.asked


def test_the_table_has_every_route_with_its_answer_and_refusals() -> None:
    rows = {
        cells[1].strip(" `").partition("?")[0]: cells
        for line in TEXT.splitlines()
        if line.startswith(("| `GET", "| `PUT"))
        for cells in [line.split("|")]
    }
    assert rows.keys() == {f"{route.method} {route.path}" for route in ROUTES}
    for route in ROUTES:
        cells = rows[f"{route.method} {route.path}"]
        assert cells[3].strip().startswith(route.answer.__name__)
        numbers = {int(number) for number in re.findall(r"\b\d{3}\b", cells[4])}
        assert numbers - ALWAYS.keys() == set(route.refusals)


def test_the_table_has_every_status() -> None:
    told = {int(number) for number in re.findall(r"^\| (\d{3}) \|", TEXT, re.MULTILINE)}
    known = {
        int(status)
        for path in document()["paths"].values()
        for one in path.values()
        for status in one["responses"]
    }
    assert told == (known - {200}) | ADDED


def test_examples_of_answers_are_answers() -> None:
    status, problem = re.findall(r"```json\n(.*?)\n```", TEXT, re.DOTALL)
    assert StatusView.model_validate_json(status).model_dump(mode="json") == json.loads(status)
    assert ProblemView.model_validate_json(problem).model_dump(mode="json") == json.loads(problem)


def test_limits_are_those_of_the_server() -> None:
    limits = Limits()
    for told in (
        f"headers did not come within {limits.head_s:g} s, or the body within {limits.body_s:g} s",
        f"more than {limits.body_bytes >> 20} MiB",
        f"more than {limits.head_bytes >> 10} KiB",
        f"not within {limits.answer_s:g} s, or {limits.connections} requests",
        f"Up to {limits.connections} connections",
        f"again for {limits.idle_s:g} s",
    ):
        assert told in TEXT


def test_the_readme_leads_here() -> None:
    assert "](docs/rest.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
