"""`fairslice apply`, `status` and `measure`, against a controller that is played."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fairslice.api.counters import Counters, FlowReading, QueueReading
from fairslice.api.status import StatusView, problem_view
from fairslice.errors import Fault, InfeasibleError, InputError, Location, MachineError
from fairslice.policy import load_policy
from fairslice.slicing.allocation import allocate_slices
from fairslice.slicing.view import view
from fairslice.testing.commands import run_command
from fairslice.testing.controller import FakeController, played_controller
from fairslice.testing.networks import build_network

POLICY = Path(__file__).parents[2] / "policies" / "gold-silver-bronze.yaml"
NETWORK = build_network([("s1", "s2"), *((f"h{i}", "s1" if i < 4 else "s2") for i in range(1, 7))])
ALLOCATION = view(allocate_slices(load_policy(POLICY), NETWORK))


def status(**rest: Any) -> StatusView:
    fields: dict[str, Any] = {
        "generation": 2,
        "in_force": True,
        "discovered": True,
        "missing": (),
        "surprises": (),
        "problems": (),
        "modifications": 10,
        "framework": "ryu 4.34",
    }
    return StatusView(**{**fields, **rest})


@pytest.fixture
def controller() -> Iterator[FakeController]:
    with played_controller() as server:
        yield server


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    return run_command(monkeypatch, *arguments)


# status --------------------------------------------------------------------------------------------------


def test_a_generation_in_force_is_status_0(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], controller: FakeController
) -> None:
    controller.says("GET /v1/status", status())
    assert run(monkeypatch, "status", "--controller", controller.url) == 0
    assert capsys.readouterr().out == "generation 2: in force (ryu 4.34)\n"


def test_what_is_missing_or_wrong_is_listed_with_status_6(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], controller: FakeController
) -> None:
    told = status(in_force=False, missing=("link a",), surprises=("host b",), problems=("c", "d"))
    controller.says("GET /v1/status", told)
    assert run(monkeypatch, "status", "--controller", controller.url) == 6
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("generation 2: not in force yet")
    assert lines[1:] == ["missing: link a", "surprise: host b", "problem: c", "problem: d"]


@pytest.mark.parametrize("in_force", [True, False])
def test_the_status_as_json(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    controller: FakeController,
    in_force: bool,
) -> None:
    controller.says("GET /v1/status", status(in_force=in_force))
    assert run(monkeypatch, "status", "--controller", controller.url, "--json") == (0 if in_force else 6)
    output = capsys.readouterr()
    assert StatusView.model_validate_json(output.out) == status(in_force=in_force)
    assert output.err == ""


@pytest.mark.parametrize("command", [["status"], ["measure"], ["apply", str(POLICY)]])
def test_no_controller_is_a_message_and_status_6(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert run(monkeypatch, *command, "--controller", "http://127.0.0.1:1") == 6
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("no controller answers at http://127.0.0.1:1: ")
    assert len(output.err.splitlines()) == 1


# apply ---------------------------------------------------------------------------------------------------


def test_a_policy_is_applied_and_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], controller: FakeController
) -> None:
    waiting = status(generation=3, in_force=False, modifications=12)
    done = status(generation=3, modifications=52, problems=("h9 has no path",))
    controller.says("GET /v1/status", status(), waiting, done)
    controller.says("PUT /v1/policy", waiting)
    assert run(monkeypatch, "apply", POLICY, "--controller", controller.url) == 0
    output = capsys.readouterr()
    assert output.out == "generation 3 is in force: 42 meter and flow modifications sent\n"
    assert output.err == "problem: h9 has no path\n"
    assert controller.routes == ["GET /v1/status", "PUT /v1/policy", *["GET /v1/status"] * 2]
    _, query, body = controller.asked[1]
    assert query == {"file": [str(POLICY)]}
    assert body == POLICY.read_text(encoding="utf-8")


def test_applying_as_json_prints_the_status_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], controller: FakeController
) -> None:
    controller.says("GET /v1/status", status(problems=("x",)))
    controller.says("PUT /v1/policy", status())
    assert run(monkeypatch, "apply", POLICY, "--controller", controller.url, "--json") == 0
    output = capsys.readouterr()
    assert StatusView.model_validate_json(output.out).problems == ("x",)
    assert output.err == ""


def test_a_policy_that_is_never_in_force_is_status_6(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], controller: FakeController
) -> None:
    controller.says("GET /v1/status", status(in_force=False, problems=("switch refused",)))
    controller.says("PUT /v1/policy", status(in_force=False))
    assert run(monkeypatch, "apply", POLICY, "--controller", controller.url, "--timeout", "0.05") == 6
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == "the policy is not in force after 0.05 s: switch refused\n"


@pytest.mark.parametrize("in_force", [True, False])
def test_a_policy_is_not_waited_for_with_a_timeout_of_0(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    controller: FakeController,
    in_force: bool,
) -> None:
    controller.says("GET /v1/status", status())
    controller.says("PUT /v1/policy", status(generation=3, in_force=in_force))
    assert run(monkeypatch, "apply", POLICY, "--controller", controller.url, "--timeout", "0") == 0
    said = "generation 3 is in force: 0 meter" if in_force else "the policy is taken (generation 3)"
    assert capsys.readouterr().out.startswith(said)
    assert controller.routes == ["GET /v1/status", "PUT /v1/policy"]


def test_a_policy_with_faults_is_not_sent(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    controller: FakeController,
    tmp_path: Path,
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("version: 1\nslices: {a: {weight: -1, flows: [{from: h1}]}}\n")
    assert run(monkeypatch, "apply", bad, "--controller", controller.url) == 2
    assert controller.asked == []
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_what_the_controller_refuses_is_said_as_it_says_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], controller: FakeController
) -> None:
    """The hosts are known to it alone."""
    faults = InputError([Fault("unknown host h9", Location("p.yaml", 3, 5)), Fault("and h8")])
    controller.says("GET /v1/status", status())
    controller.says("PUT /v1/policy", problem_view(faults), code=400)
    assert run(monkeypatch, "apply", POLICY, "--controller", controller.url) == 2
    assert capsys.readouterr().err == "p.yaml:3:5: unknown host h9\nand h8\n"
    infeasible = InfeasibleError("too little", link="a->b", flows=("f",), floors=2.0, capacity=1.0)
    controller.says("PUT /v1/policy", problem_view(infeasible), code=409)
    assert run(monkeypatch, "apply", POLICY, "--controller", controller.url) == 3
    assert capsys.readouterr().err == "too little\n"


# measure -------------------------------------------------------------------------------------------------


def counters(time_s: float, *sent: int) -> Counters:
    """Bytes that gold, silver and bronze had sent; each offered twice as much, and a tenth was metered."""
    last = {flow.number: NETWORK.hosts[flow.destination].port_no for flow in ALLOCATION.flows}
    return Counters(
        flows={
            n: FlowReading(delivered_bytes=b, offered_bytes=2 * b, metered_bytes=b // 10)
            for n, b in enumerate(sent, 1)
        },
        queues=[
            QueueReading(
                time_s=time_s,
                dpid=2,
                port_no=last[n],
                queue_id=n,
                entered_bytes=b,
                sent_bytes=b,
                sent_packets=0,
            )
            for n, b in enumerate(sent, 1)
        ],
        ports=[],
    )


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The times that the command slept, in place of sleeping."""
    times: list[float] = []
    monkeypatch.setattr("fairslice.cli.measure.time.sleep", times.append)
    return times


def measured(controller: FakeController, before: Counters, after: Counters) -> None:
    controller.says("GET /v1/allocation", ALLOCATION)
    controller.says("GET /v1/counters", before, after)


def test_rates_of_a_running_network(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    controller: FakeController,
    slept: list[float],
) -> None:
    measured(controller, counters(100.0, 0, 0, 0), counters(102.0, 1_000_000, 500_000, 0))
    arguments = ["measure", "--controller", controller.url, "--duration", "2", "--json"]
    assert run(monkeypatch, *arguments) == 0
    output = capsys.readouterr()
    assert output.err == ""
    shown = json.loads(output.out)
    assert shown["duration_s"] == 2
    assert slept == [2.0]
    assert [flow["id"] for flow in shown["flows"]] == [flow.id for flow in ALLOCATION.flows]
    assert [flow["allocated_bps"] for flow in shown["flows"]] == [f.allocated_bps for f in ALLOCATION.flows]
    assert [flow["wire_bps"] for flow in shown["flows"]] == pytest.approx([4e6, 2e6, 0])
    assert [flow["offered_bps"] for flow in shown["flows"]] == pytest.approx([8e6, 4e6, 0])
    assert [flow["metered_bps"] for flow in shown["flows"]] == pytest.approx([4e5, 2e5, 0])


def test_rates_as_a_table(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    controller: FakeController,
    slept: list[float],
) -> None:
    measured(controller, counters(100.0, 0, 0, 0), counters(101.0, 500_000, 0, 0))
    assert run(monkeypatch, "measure", "--controller", controller.url) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["1", "gold:h1->h4", "5", "Mbit/s", "8", "Mbit/s", "400", "kbit/s", "4", "Mbit/s"] in rows
    assert ["3", "bronze:h3->h6", "1.667", "Mbit/s", *["0", "bit/s"] * 3] in rows
    assert slept == [5.0]


def test_counters_that_went_back_are_no_rates(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    controller: FakeController,
    slept: list[float],
) -> None:
    measured(controller, counters(100.0, 9, 9, 9), counters(101.0, 0, 9, 9))
    assert run(monkeypatch, "measure", "--controller", controller.url) == 6
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("gold:h1->h4: its queue counter went back")


@pytest.mark.parametrize("code", [400, 409, 503])
@pytest.mark.parametrize("route", ["GET /v1/allocation", "GET /v1/counters"])
def test_what_is_not_there_yet_is_status_6(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    controller: FakeController,
    route: str,
    code: int,
) -> None:
    """Whatever the status of the answer: no other input would help."""
    measured(controller, counters(100.0, 0, 0, 0), counters(102.0, 0, 0, 0))
    controller.says(route, problem_view(InputError("not discovered yet")), code=code)
    assert run(monkeypatch, "measure", "--controller", controller.url) == 6
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(f"the controller at {controller.url} can't ")
    assert output.err.endswith("now: not discovered yet\n")


@pytest.mark.parametrize("command", [["status"], ["apply", str(POLICY)]])
def test_a_status_that_is_refused_is_status_6(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    controller: FakeController,
    command: list[str],
) -> None:
    infeasible = InfeasibleError("too little", link="a->b", flows=("f",), floors=2.0, capacity=1.0)
    for error, code in ((InputError("not yet"), 400), (infeasible, 409), (MachineError("no"), 503)):
        controller.says("GET /v1/status", problem_view(error), code=code)
        assert run(monkeypatch, *command, "--controller", controller.url) == 6
        assert str(error) in capsys.readouterr().err


def test_a_switch_that_is_missing_is_status_6(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    controller: FakeController,
    slept: list[float],
) -> None:
    nothing = Counters(flows={}, queues=[], ports=[])
    measured(controller, nothing, nothing)
    assert run(monkeypatch, "measure", "--controller", controller.url) == 6
    assert "switch 0000000000000002" in capsys.readouterr().err
    assert slept == [5.0]


@pytest.mark.parametrize("command", ["status", "measure"])
def test_a_controller_that_does_not_answer_is_waited_for_as_long_as_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert run(monkeypatch, command, "--controller", url, "--timeout", "0.2") == 6
    assert capsys.readouterr().err == f"no controller answers at {url}: timed out\n"


@pytest.mark.parametrize("duration", ["0", "-1", "4000", "long"])
def test_a_duration_that_makes_no_sense_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], duration: str
) -> None:
    assert run(monkeypatch, "measure", "--duration", duration) == 2
    assert "--duration" in capsys.readouterr().err
