"""Problem files: problems of theory as JSON, and their answers."""

import importlib
from collections.abc import Mapping
from typing import Any, cast

from pydantic import ValidationError

from fairslice.errors import FairsliceError, Fault, InputError
from fairslice.files.json_text import load_json, repeated_keys
from fairslice.files.pydantic_faults import dotted, faults_of, shown
from fairslice.files.words import did_you_mean
from fairslice.models.problem import ModelProblem

PROBLEMS: Mapping[str, str] = {
    "erlang": "fairslice.models.queues.problem:ErlangProblem",
    "schedule": "fairslice.models.schedulers.problem:ScheduleProblem",
    "token-bucket": "fairslice.models.buckets.problem:TokenBucketProblem",
    "aimd": "fairslice.models.congestion.problem:AimdProblem",
    "source": "fairslice.models.sources.problem:SourceProblem",
    "queue": "fairslice.models.queues.problem:QueueProblem",
}
"""The class of each ``model``, imported when it is asked for."""


def problem_class(model: str) -> type[ModelProblem]:
    """The class of the problems that are called so, a key of :data:`PROBLEMS`."""
    module, _, name = PROBLEMS[model].partition(":")
    return cast(type[ModelProblem], getattr(importlib.import_module(module), name))


def read_problem(data: Any, path: str = "$") -> ModelProblem:
    """A problem as it was read from JSON; ``path`` is its own in the file, for messages.

    Raises:
        InputError: all that is wrong with it, each with its place.
    """
    if not isinstance(data, Mapping):
        raise InputError(f"{path}: found {shown(data)}, expected an object")
    model = data.get("model")
    if not isinstance(model, str) or model not in PROBLEMS:
        known = ", ".join(PROBLEMS)
        if model is None:
            raise InputError(f"{path}.model is missing, expected one of {known}")
        meant = did_you_mean(model, PROBLEMS) if isinstance(model, str) else ""
        raise InputError(f"{path}.model: found {shown(model)}, expected one of {known}{meant}")
    try:
        return problem_class(model).model_validate(data)
    except ValidationError as error:
        raise InputError(Fault(f"{dotted(f.path, path)}: {f.message}") for f in faults_of(error)) from None


def answer_text(text: str, file: str) -> list[dict[str, Any]] | dict[str, Any]:
    """The answers of a problem file: of a problem an answer, of an array of problems an array of them.

    In an array a problem without an answer has ``{"error": ...}`` in its place.

    Raises:
        InputError: the text is not JSON, or its single problem has faults.
        InfeasibleError: its single problem asks for what can't be.
    """
    data = load_json(text, file)
    if not isinstance(data, list):
        return _answer(data, "$", file)
    found: list[dict[str, Any]] = []
    for index, item in enumerate(data):
        try:
            found.append(_answer(item, f"$[{index}]", file))
        except FairsliceError as error:
            found.append({"error": str(error)})
    return found


def _answer(data: Any, path: str, file: str) -> dict[str, Any]:
    faults = [Fault(f"{file}: {fault}") for fault in repeated_keys(data, path)]
    try:
        problem = read_problem(data, path)
    except InputError as error:
        faults += [Fault(f"{file}: {fault}") for fault in error.faults]
    if faults:
        raise InputError(faults)
    try:
        return problem.answer()
    except InputError as error:
        raise InputError(Fault(f"{file}: {path}: {fault}") for fault in error.faults) from None
