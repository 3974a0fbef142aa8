"""Pictures of queues: axes with units, the point that was asked for, and the same picture each time."""

import re
from types import ModuleType

import pytest

from fairslice.models.problem import ModelProblem
from fairslice.models.queues.problem import ErlangProblem, QueueProblem
from fairslice.models.queues.steady import SteadyState
from fairslice.report.drawing import BAD
from fairslice.report.models import erlang_picture, queue_picture

PROBLEMS: list[tuple[ModuleType, ModelProblem, list[str], int]] = [
    (
        queue_picture,
        QueueProblem.model_validate({"arrival_rate": 8, "service_rate": 10}),
        ["mean delay", "mean in the system"],
        5,
    ),
    (
        queue_picture,
        QueueProblem.model_validate({"arrival_rate": 0.999999, "service_rate": 1}),
        ["10000", "95 % of delays are shorter"],
        5,
    ),
    (
        queue_picture,
        QueueProblem.model_validate({"arrival_rate": 12, "service_rate": 10}),
        ["never settles"],
        0,
    ),
    (
        queue_picture,
        QueueProblem.model_validate({"arrival_rate": 28, "service_rate": 10, "servers": 3, "capacity": 8}),
        ["mean wait"],
        5,
    ),
    (
        queue_picture,
        QueueProblem.model_validate({"arrival_rate": 8, "service": "mean_s=0.1,sd_s=0.3"}),
        ["mean wait"],
        4,
    ),
    (
        queue_picture,
        QueueProblem.model_validate(
            {"arrival_rate": 1, "service_rate": 1, "servers": 2, "service": "deterministic"}
        ),
        ["no formula"],
        0,
    ),
    (
        erlang_picture,
        ErlangProblem.model_validate({"offered": 10, "servers": 15}),
        ["servers, for 10 erlang", "0.001"],
        2,
    ),
    (
        erlang_picture,
        ErlangProblem.model_validate({"offered": 10, "servers": 5}),
        ["is lost, if nobody can wait (B)"],
        1,
    ),
    (
        erlang_picture,
        ErlangProblem.model_validate({"offered": 900, "blocking": 0.01}),
        ["servers, for 900 erlang"],
        1,
    ),
    (
        erlang_picture,
        ErlangProblem.model_validate({"offered": 900, "wait_probability": 0.2}),
        ["waits, if all can wait (C)"],
        1,
    ),
    (
        erlang_picture,
        ErlangProblem.model_validate({"offered": 0, "servers": 0}),
        ["servers, for 0 erlang"],
        1,
    ),
]


@pytest.mark.parametrize(("module", "problem", "texts", "points"), PROBLEMS, ids=lambda one: str(one)[:60])
def test_pictures(module: ModuleType, problem: ModelProblem, texts: list[str], points: int) -> None:
    answer = problem.answer()
    svg = module.draw(problem, answer)
    assert svg == module.draw(problem, answer)
    assert svg.startswith("<svg")
    shown = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    for text in texts:
        assert any(text in one for one in shown), text
    assert not any("mathdefault" in one for one in shown)
    # A point is used once for each place where it stands.
    assert len(re.findall(rf"<use [^>]*fill: {BAD}", svg)) == points
    if module is queue_picture:
        assert "seconds" in shown
        assert "customers" in shown
        assert shown.count("load: what comes, by the most that can be served") == 2


def test_simulated_points_are_drawn_where_they_are() -> None:
    problem = QueueProblem.model_validate({"arrival_rate": 8, "service_rate": 10})
    plain = queue_picture.draw(problem, problem.answer())
    svg = queue_picture.draw(problem, problem.answer(), [(0.5, 0.2, 1.0), (0.8, 0.5, 4.0)])
    assert "simulated" in svg
    assert "simulated" not in plain


@pytest.mark.parametrize(
    "values",
    [
        {"offered": 900_000, "servers": 1_000_000},
        {"offered": 900_000, "blocking": 1e-6},
        {"offered": 1e20, "servers": 3},
    ],
    ids=str,
)
def test_as_many_servers_as_are_counted_are_drawn(values: dict[str, float]) -> None:
    problem = ErlangProblem.model_validate(values)
    assert erlang_picture.draw(problem, problem.answer()).startswith("<svg")


def test_a_queue_with_many_places_is_drawn_with_few_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each point takes a second where a million may be in the system."""
    drawn: list[QueueProblem] = []
    steady_state = QueueProblem.steady_state

    def counted(self: QueueProblem) -> SteadyState:
        drawn.append(self)
        return steady_state(self)

    monkeypatch.setattr(QueueProblem, "steady_state", counted)
    numbers = []
    for capacity in (100, 100_000):
        problem = QueueProblem.model_validate({"arrival_rate": 9, "service_rate": 10, "capacity": capacity})
        answer = problem.answer()
        drawn.clear()
        assert queue_picture.draw(problem, answer).startswith("<svg")
        numbers.append(len(drawn))
    assert numbers == [80, 16]
