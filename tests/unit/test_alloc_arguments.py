# mypy: disable-error-code="arg-type, dict-item, list-item"
"""Wrong arguments of the engine are told in words, by the names that the caller wrote."""

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest

from fairslice.alloc import (
    AcknowledgedProblem,
    AllocationProblem,
    Allocator,
    Bottleneck,
    BottleneckKind,
    MultipathFlow,
    MultipathProblem,
    ProblemFlow,
    SliceShare,
    UnknownFlowError,
    allocate,
    allocate_acknowledged,
    allocate_free,
    certify,
    explain,
    raises,
    split_evenly,
    why,
)
from fairslice.alloc.files import parse_problems
from fairslice.errors import InputError
from fairslice.measure.results import from_json
from fairslice.topology import load_network

FLOWS = (
    ProblemFlow("video", {"A": 1}),
    ProblemFlow("voice", {"A": 1, "B": 1}, cap=2),
    ProblemFlow("web", {"B": 1}),
)
NAMED = AllocationProblem({"A": 10, "B": 20}, FLOWS)
RATES = {"video": 8.0, "voice": 2.0, "web": 18.0}
SEVERAL = MultipathProblem({"A": 10, "B": 5}, [MultipathFlow("f", ({"A": 1}, {"B": 1}))])
HUGE = 10**400


def numbered() -> AllocationProblem:
    return AllocationProblem.from_arrays([10], [0, 1, 2], [0, 0], [1, 1], [math.inf, 2])


def several(**changed: Any) -> MultipathProblem:
    return MultipathProblem(**{"capacities": {"A": 1}, "flows": [MultipathFlow("f", ({"A": 1},))], **changed})


def on(paths: Any) -> MultipathProblem:
    return several(flows=[MultipathFlow("f", paths)])


def told(call: Callable[[], object]) -> str:
    with pytest.raises(InputError) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize(
    "order", [lambda s: s, lambda s: s.sort_values(), lambda s: s.sort_index(ascending=False)]
)
def test_a_series_is_read_by_its_index(order: Callable[[Any], Any]) -> None:
    assert certify(NAMED, order(pd.Series(RATES))).ok
    reasons = pd.Series(allocate(NAMED).bottlenecks)[::-1]
    assert certify(NAMED, order(pd.Series(RATES)), reasons).ok
    assert not certify(NAMED, pd.Series([8.0, 2.0, 18.0], index=["web", "voice", "video"])).ok


def test_whatever_has_keys_is_read_by_them() -> None:
    class Rates:
        def keys(self) -> list[str]:
            return sorted(RATES, reverse=True)

        def __getitem__(self, name: str) -> float:
            return RATES[name]

    assert certify(NAMED, Rates()).ok
    (missing,) = certify(NAMED, pd.Series(RATES).drop("web")).violations
    assert str(missing) == 'flow "web" has no rate'


def test_flows_that_are_numbers_may_have_them_as_keys() -> None:
    assert certify(numbered(), pd.Series([8.0, 2.0])).ok
    assert certify(numbered(), pd.Series([2.0, 8.0], index=[1, 0])).ok
    assert certify(numbered(), {0: 8.0, "1": 2.0}).ok


def test_an_id_that_is_there_twice_is_refused() -> None:
    twice = pd.Series([8.0, 2.0, 18.0, 1.0], index=["video", "voice", "web", "web"])
    assert told(lambda: certify(NAMED, twice)) == (
        "rates: 'web' is there more than once, expected each flow once"
    )


@pytest.mark.parametrize("stated", ["A", None, 0, ("link", "A")])
def test_a_stated_reason_is_a_bottleneck(stated: object) -> None:
    reasons = {**allocate(NAMED).bottlenecks, "video": stated}
    message = told(lambda: certify(NAMED, RATES, reasons))
    assert message.startswith("bottlenecks['video']: found ")
    assert message.endswith(", expected a Bottleneck, as Allocation.bottlenecks has")
    assert certify(NAMED, RATES, {**reasons, "video": Bottleneck(BottleneckKind.LINK, "A")}).ok


class TestUnknownFlows:
    @pytest.mark.parametrize("ask", [lambda id_: raises(NAMED, id_), lambda id_: why(explain(NAMED), id_)])
    def test_near_names_are_told(self, ask: Callable[[Any], object]) -> None:
        assert told(lambda: ask("vido")) == (
            "flow_id: found 'vido' (str), which is not a flow of the problem; did you mean \"video\"?"
        )
        assert told(lambda: ask(7)) == (
            "flow_id: found 7 (int), which is not a flow of the problem; expected one of"
            ' "video", "voice", "web"'
        )
        with pytest.raises(KeyError):
            ask("zz")

    def test_it_is_what_it_is_in_a_problem_without_flows(self) -> None:
        message = told(lambda: raises(AllocationProblem({"A": 1}, ()), "f"))
        assert message.endswith("; expected none, for there are none")
        assert str(UnknownFlowError("f", ())) == message

    def test_why_wants_a_filling(self) -> None:
        assert told(lambda: why(NAMED, "video")) == (
            "filling: found AllocationProblem, expected a Filling, as explain(problem) makes it"
        )


class TestNumbersThatNoFloatHolds:
    @pytest.mark.parametrize("amount", [HUGE, -HUGE, 10**5000, Fraction(HUGE), Fraction(1, HUGE)], ids=type)
    def test_are_refused(self, amount: Any) -> None:
        range_ = "and out of the range of floats, expected at most 1.8e308"
        kind = type(amount).__name__
        flow = ProblemFlow("f", {"A": amount}, amount, amount, amount, slice="s")
        problem = AllocationProblem({"A": amount}, [flow], {"s": SliceShare(amount, amount)})
        assert told(problem.check).splitlines() == [
            f"{where} is {kind} {range_}"
            for where in (
                'capacities["A"]: the capacity',
                'slices["s"]: the weight',
                'slices["s"]: the limit',
                'flows[0] ("f"): the weight',
                'flows[0] ("f"): the cap',
                'flows[0] ("f"): the floor',
                'flows[0] ("f"): uses["A"]: the amount',
            )
        ]
        assert told(lambda: Allocator(NAMED).change(demand={"web": amount})).endswith(f"is {kind} {range_}")
        assert told(lambda: certify(NAMED, {**RATES, "web": amount})).endswith(f"is {kind} {range_}")

    def test_large_ones_that_floats_hold_are_taken(self) -> None:
        problem = AllocationProblem({"A": 10**300}, [ProblemFlow("f", {"A": 1}, weight=Fraction(1, 3))])
        assert allocate(problem).rates == {"f": 1e300}


def test_names_of_numbered_links_are_texts() -> None:
    capacities: Any = numbered().capacities
    assert "0" in capacities
    for name in (0, None, "1", "00", "²", "9" * 5000):
        assert name not in capacities
        assert capacities.get(name) is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: allocate_free(None), "problem: found None, expected a MultipathProblem"),
        (lambda: allocate_free(NAMED), "problem: found AllocationProblem, expected a MultipathProblem"),
        (lambda: split_evenly(None), "problem: found None, expected a MultipathProblem"),
        (lambda: allocate_free(SEVERAL, rounds="3"), "rounds: found '3' (str), expected at least 1"),
        (lambda: allocate_free(SEVERAL, rounds=1.5), "rounds: found 1.5 (float), expected at least 1"),
        (lambda: allocate_free(SEVERAL, rounds=True), "rounds: found True (bool), expected at least 1"),
        (lambda: allocate_free(SEVERAL, tolerance="x"), "tolerance: found 'x' (str), expected a finite"),
        (lambda: allocate_free(SEVERAL, tolerance=-1), "tolerance: found -1 (int), expected a finite"),
        (lambda: allocate_free(SEVERAL, tolerance=math.nan), "tolerance: found nan (float), expected a"),
        (lambda: allocate_free(on({"A": 1})), 'flows[0] ("f"): paths is dict, expected a list or tuple'),
        (lambda: allocate_free(on(None)), 'flows[0] ("f"): paths is None, expected a list or tuple'),
        (lambda: allocate_free(on((("A",),))), 'flows[0] ("f"): paths[0] is tuple, expected a mapping'),
        (lambda: allocate_free(several(flows=None)), "flows: found None, expected a list or tuple of Multi"),
        (lambda: allocate_free(several(flows=FLOWS[:1])), "flows[0]: found ProblemFlow, expected a Multip"),
        (lambda: allocate_free(several(capacities=[1])), "capacities: found list, expected a mapping"),
        (lambda: allocate_free(several(per_flow=1)), "per_flow: found 1 (int), expected True or False"),
        (lambda: split_evenly(SEVERAL, [0.5, 0.5]), "ratios: found list, expected a mapping of flow ids"),
        (lambda: split_evenly(SEVERAL, []), "ratios: found list, expected a mapping of flow ids"),
        (lambda: split_evenly(SEVERAL, {"f": "ab"}), "ratios[\"f\"]: found 'ab' (str), expected 2 numbers"),
        (lambda: split_evenly(SEVERAL, {"f": None}), 'ratios["f"]: found None, expected 2 numbers'),
        (lambda: split_evenly(SEVERAL, {"f": ["a", 1]}), 'ratios["f"]: found list, expected 2 numbers'),
        (lambda: split_evenly(SEVERAL, {1: [1, 1]}), "ratios[1 (int)]: there is no such flow"),
        (lambda: allocate_acknowledged(None), "problem: found None, expected an AcknowledgedProblem"),
        (lambda: AcknowledgedProblem(None, ()).check(), "data: found None, expected an AllocationProblem"),
        (lambda: AcknowledgedProblem(NAMED, None).check(), "returns: found None, expected a list or tuple"),
        (lambda: AcknowledgedProblem(NAMED, "abc").check(), "returns: found 'abc' (str), expected a list"),
        (
            lambda: AcknowledgedProblem(NAMED, ({}, {}, "B")).check(),
            "returns[2]: found 'B' (str), expected",
        ),
        (
            lambda: AcknowledgedProblem(NAMED, ({}, {}, {"B": "1"})).check(),
            "returns[2][\"B\"]: the share is '1' (str), expected a number",
        ),
        (lambda: from_json(Path("results.json")), "text: found PosixPath, expected what stands in a results"),
        (lambda: from_json("out/results.json"), "text: found 'out/results.json', the name of a file; expec"),
        (lambda: load_network("topologies/dumbbell.json", options=3), "options: found int, expected Network"),
        (
            lambda: AllocationProblem({"A": 1}, [ProblemFlow("f", {}, cap=None)]).check(),
            'flows[0] ("f"): the cap',
        ),
    ],
)
def test_wrong_arguments_are_named(call: Callable[[], object], message: str) -> None:
    assert told(call).startswith(message)


def test_python_s_names_in_python_and_json_s_in_json() -> None:
    text = '{"links": {"A": 1, "": 2}, "flows": [{"id": "f", "path": []}, {"id": "f", "path": ["A"]}]}'
    said = told(lambda: parse_problems(text, "p.json")).splitlines()
    assert said[0].startswith('p.json: $.links[""]: the name is empty')
    assert said[1].endswith("expected a demand or a link with a finite capacity")
    flows = [ProblemFlow("f", {}), ProblemFlow("f", {"A": 1}, floor=-1)]
    said = told(AllocationProblem({"A": 1, "": 2}, flows).check).splitlines()
    assert said[0].startswith('capacities[""]: the name is empty')
    assert said[1].endswith("expected a cap or a link with a finite capacity")
    assert said[-1] == 'flows[1] ("f"): the floor is -1, expected a finite number from 0 up'
    free = MultipathFlow("f", ({"A": 1}, {"B": 1}), floor=6)
    assert told(lambda: allocate_free(MultipathProblem({"A": 9, "B": 9}, [free]))).startswith(
        'flows[0] ("f"): the floor is 6 on 2 paths with free splits, expected 0'
    )


def test_numpy_s_numbers_are_numbers() -> None:
    problem = AllocationProblem({"A": np.float32(8)}, [ProblemFlow("f", {"A": np.int8(2)}, np.float64(3))])
    assert allocate(problem).rates == {"f": 4}
