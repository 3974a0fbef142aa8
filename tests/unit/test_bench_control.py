"""The benchmark of the control plane: its policies are what they say, its numbers mean what they say."""

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import control
import page

from fairslice.policy import parse_policy
from fairslice.policy.resolve import resolve
from fairslice.slicing.allocation import NetworkAllocation, allocate_slices
from fairslice.topology.network import Network

ROOT = Path(__file__).parents[2]
TINY = control.Options(k=2, sizes=(3, 6), failure_flows=2, repeats=1, anew=10, switches=False)


@pytest.fixture(scope="module")
def network() -> Network:
    return replace(TINY, k=4).network()


@pytest.mark.parametrize("flows", [1, 40, 300])
@pytest.mark.parametrize("said", control.KINDS.values())
def test_policies_have_so_many_flows(network: Network, flows: int, said: str) -> None:
    policy = parse_policy(control.policy_text(network, flows, said), "policy.yaml")
    resolved = resolve(policy, network.hosts)
    assert len(resolved) == flows
    assert len(policy.slices) == min(flows, 63)
    times = Counter((flow.source, flow.destination) for flow in resolved)
    assert max(times.values()) - min(times.values()) <= 1
    assert control.policy_text(network, flows, said) == control.policy_text(network, flows, said)


def test_half_of_the_flows_have_a_demand_and_a_quarter_a_weight(network: Network) -> None:
    policy = parse_policy(control.policy_text(network, 2000), "policy.yaml")
    flows = resolve(policy, network.hosts)
    assert sum(flow.demand_bps is not None for flow in flows) / len(flows) == pytest.approx(0.5, abs=0.05)
    assert sum(flow.weight != 1 for flow in flows) / len(flows) == pytest.approx(0.25, abs=0.05)


def test_every_cable_fails_once(network: Network) -> None:
    both = list(control.cables(network))
    assert sorted(key for cable in both for key in cable) == sorted(network.links)
    assert all(there == here[::-1] for here, there in both)


def test_what_differs_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    network = TINY.network()
    policy = parse_policy(control.policy_text(network, 2), "policy.yaml")
    row = control.measure_failures("kind", policy, network, TINY)
    cables = len(network.links) // 2
    assert (row.flows, row.failures, row.compared, row.different) == (2, cables, cables, 0)
    assert row.per_s == row.failures / row.kept_s > 0

    def wrong(*arguments: object, before: NetworkAllocation | None = None, **more: object) -> object:
        allocation = allocate_slices(*arguments, before=before, **more)  # type: ignore[arg-type]
        return replace(allocation, unreachable=()) if before else allocation

    monkeypatch.setattr(control, "allocate_slices", wrong)
    # Without a host's cable a flow of two is unreachable.
    assert control.measure_failures("kind", policy, network, TINY).different > 0


def test_steps_are_those_of_all_switches() -> None:
    network = TINY.network()
    row = control.measure_steps(control.policy_text(network, 2), TINY, network)
    assert (row.flows, row.switches) == (2, len(network.switches))
    assert row.entries > 0
    assert row.total_s == row.parse_s + row.allocate_s + row.compile_s + row.diff_s > 0
    assert row.document_s > 0


def test_the_page_of_the_docs_takes_results() -> None:
    page.check(ROOT / "docs" / "performance.md", control.MARKERS)


def test_benchmark_runs_to_its_end(tmp_path: Path) -> None:
    out = tmp_path / "performance.md"
    command = [sys.executable, "benchmarks/control.py", "--quick", "--no-switches", "--out"]
    command += [str(out), "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)["results"]
    text = out.read_text(encoding="utf-8")
    for title in results:
        assert f"### {title}\n" in text
    steps, failures, on_switches = results.values()
    assert (bool(steps), bool(failures), on_switches) == (True, True, [])
    assert [row["flows"] for row in steps] == [20, 300]
    assert [row["kind"] for row in failures] == list(control.KINDS)
    assert not any(row["different"] for row in failures)
