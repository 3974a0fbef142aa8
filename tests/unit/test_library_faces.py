# mypy: disable-error-code="arg-type"
"""What is imported from the package: names, lazily, and how values of the library read."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import fairslice
from fairslice import alloc, api, policy, slicing, topology
from fairslice.alloc import MultipathFlow, MultipathProblem, allocate_free
from fairslice.errors import InputError
from fairslice.policy import parse_policy
from fairslice.slicing import allocate_slices
from fairslice.topology import load_network

ROOT = Path(__file__).parents[2]
NETWORK = load_network(ROOT / "topologies" / "dumbbell.json")
POLICY = parse_policy("version: 1\nslices:\n  gold: {members: [h1, h4]}\n", "gold.yaml")

FACES = {
    policy: {"Policy", "load_policy", "parse_policy"},
    topology: {"Network", "NoPathError", "load_network"},
    slicing: {"NetworkAllocation", "allocate_slices"},
    api: {"ControllerClient"},
}


@pytest.mark.parametrize("module", FACES)
def test_names_are_imported_from_the_package(module: object) -> None:
    assert set(module.__all__) == FACES[module]  # type: ignore[attr-defined, index]
    for name in FACES[module]:  # type: ignore[index]
        assert getattr(module, name).__name__ == name
    with pytest.raises(AttributeError, match="nothing_such"):
        module.nothing_such  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize(
    ("package", "module"),
    [("policy", "pydantic"), ("topology", "pydantic"), ("slicing", "numpy"), ("api", "httpx")],
)
def test_they_are_loaded_when_they_are_asked_for(package: str, module: str) -> None:
    code = f"import sys, fairslice.{package}; print({module!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_results_have_their_types_in_the_engine_s_face() -> None:
    told = {"MultipathAllocation", "Violation", "Step", "Stop", "Stopped", "Holder", "InconsistentError"}
    assert told <= set(alloc.__all__)


def test_help_names_what_there_is() -> None:
    text = fairslice.__doc__ or ""
    for name in ("NoPathError", "InconsistentError", "ControllerClient", "topology.nodelink.from_json"):
        assert name in text


def test_the_client_without_its_extra_names_it() -> None:
    code = (
        "import sys; sys.modules['httpx'] = None\n"
        "try:\n    from fairslice.api import ControllerClient\n"
        "except ImportError as error:\n    print(error.name, error, sep='\\n')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "httpx",
        'fairslice.api.client needs httpx, which the extra "controller" brings:'
        " pip install 'fairslice[controller]'",
    ]


def test_the_client_needs_none_of_the_controller() -> None:
    code = (
        "import sys; sys.modules |= dict.fromkeys(('ryu', 'eventlet', 'ovs', 'dns'))\n"
        "from fairslice.api import ControllerClient; print(ControllerClient.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "ControllerClient\n"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: allocate_slices(NETWORK, POLICY),
            "policy: found Network, expected a Policy, as load",
        ),
        (lambda: allocate_slices(None, NETWORK), "policy: found None, expected a Policy"),
        (lambda: allocate_slices("gold.yaml", NETWORK), "policy: found 'gold.yaml' (str), expected a Policy"),
        (lambda: allocate_slices(POLICY, "net.json"), "network: found 'net.json' (str), expected a Network,"),
        (
            lambda: allocate_slices(POLICY, NETWORK.graph),
            "network: found DiGraph, expected a Network, as",
        ),
        (
            lambda: allocate_slices(POLICY, NETWORK, omit_unreachable=1),
            "omit_unreachable: found 1 (int), ",
        ),
    ],
)
def test_allocate_slices_names_wrong_arguments(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert str(caught.value).startswith(message)


def test_values_read_shortly() -> None:
    assert repr(NETWORK) == "<Network dumbbell: 2 switches, 6 hosts, 14 links>"
    rate = f"{30 / (1 + POLICY.return_share):.2f} Mbit/s"
    flows = f"gold:h1->h4: {rate} (link s1->s2), gold:h4->h1: {rate} (link s2->s1)"
    assert repr(allocate_slices(POLICY, NETWORK)) == f"<NetworkAllocation: {flows}>"
    cut = NETWORK.without([("s1", "s2"), ("s2", "s1")])
    left = allocate_slices(POLICY, cut, omit_unreachable=True)
    assert repr(left) == "<NetworkAllocation: 2 without a path>"
    problem = MultipathProblem(
        {"A": 10, "B": 5}, [MultipathFlow("f", ({"A": 1}, {"B": 1})), MultipathFlow("g", ({"A": 1},))]
    )
    assert repr(problem) == "<MultipathProblem: 2 links (A, B), 2 flows (f, g) on 3 paths>"
    shown = repr(allocate_free(problem))
    assert shown.startswith("<MultipathAllocation: f: 7.5")
    assert " on 2 paths, g: 7.4" in shown or " on 2 paths, g: 7.5" in shown
    assert len(shown) < 100
    many = MultipathProblem({"A": 10}, [MultipathFlow(f"f{i}", ({"A": 1},)) for i in range(9)])
    assert repr(allocate_free(many)).endswith(" on 1 path, and 5 more>")
