"""TCP congestion controls: what the kernel has is taken, what it lacks is refused with a list."""

import errno
from pathlib import Path

import pytest

from fairslice.cli.job import require_fit_for
from fairslice.errors import InputError
from fairslice.lab.trial.job import Job
from fairslice.linux.congestion import available_congestion_controls, require_congestion_control
from fairslice.policy import load_policy
from fairslice.topology.load import load_network

ROOT = Path(__file__).parents[2]


def test_what_the_kernel_has_is_taken() -> None:
    assert "reno" in available_congestion_controls()  # Linux is never without (tcp(7)).
    require_congestion_control("reno")


@pytest.mark.parametrize("name", ["no-such", "", "x" * 100, "renö"])
def test_what_it_lacks_is_refused_with_those_that_it_has(name: str) -> None:
    with pytest.raises(InputError, match="has no TCP congestion control") as refusal:
        require_congestion_control(name)
    assert repr(name) in str(refusal.value)
    for one in available_congestion_controls():
        assert one in str(refusal.value)


def test_whatever_the_kernel_says_of_it_is_a_refusal() -> None:
    def refuse(_name: str) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    with pytest.raises(InputError, match="'bbr'"):
        require_congestion_control("bbr", refuse)


def test_a_job_is_refused_before_anything_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    monkeypatch.setattr("fairslice.lab.doctor.examine.quick_findings", looked.append)
    topology = str(ROOT / "topologies" / "dumbbell.json")
    job = Job(
        network=load_network(topology),
        topology=topology,
        policy=load_policy(ROOT / "policies" / "gold-silver-bronze.yaml"),
        duration_s=10.0,
        max_duration_s=60.0,
        warmup_s=3.0,
        tolerance=0.05,
        created="2026-11-26T08:00:00+00:00",
        congestion_control="no-such",
    )
    with pytest.raises(InputError, match="no-such"):
        require_fit_for(job)
    assert looked == []
