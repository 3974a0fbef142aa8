"""A job comes out of its document as it went in."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairslice.lab.traffic.plan import Sender
from fairslice.lab.trial.job import Job, from_json, to_json
from fairslice.policy import load_policy, parse_policy
from fairslice.policy.model import PROTOCOLS
from fairslice.topology.load import load_network
from fairslice.topology.network import Network

ROOT = Path(__file__).parents[2]
NETWORKS = [
    load_network(str(ROOT / "topologies" / file))
    for file in ("dumbbell.py", "dumbbell.py:dumbbell,2,delay=10ms,loss=1", "ring.py", "fat_tree.py")
]
POLICY = load_policy(ROOT / "policies" / "gold-silver-bronze.yaml")
PROTOS = st.sampled_from(list(PROTOCOLS.values()))
SENDERS = st.builds(Sender, st.text(), PROTOS, st.none() | st.floats(1, 100))
TIMES_S = st.floats(0, 3600)


@given(
    st.sampled_from(NETWORKS),
    st.tuples(TIMES_S, TIMES_S, TIMES_S, st.floats(0.001, 1)),
    st.lists(SENDERS, max_size=3).map(tuple),
    st.tuples(st.none() | st.text(), st.sampled_from(["kernel", "user"]), st.text(), st.text()),
    st.lists(st.text(), max_size=3).map(tuple),
)
def test_out_of_its_document_comes_the_same_job(
    network: Network,
    numbers: tuple[float, float, float, float],
    senders: tuple[Sender, ...],
    words: tuple[str | None, str, str, str],
    notes: tuple[str, ...],
) -> None:
    congestion_control, datapath, command, topology = words
    job = Job(
        network,
        topology,
        POLICY,
        *numbers,
        created="2026-11-26T08:00:00+00:00",
        senders=senders,
        congestion_control=congestion_control,
        datapath="kernel" if datapath == "kernel" else "user",
        notes=notes,
        command=command,
    )
    found = from_json(to_json(job))
    assert found == job
    assert found.policy.text == POLICY.text == (ROOT / "policies" / "gold-silver-bronze.yaml").read_text()


@pytest.mark.parametrize("file", ["a\udcff.yaml", "ä→.yaml", ""])
def test_names_of_files_may_be_any_bytes(file: str) -> None:
    policy = parse_policy(POLICY.text, file)
    job = Job(NETWORKS[0], "t.py", policy, 1, 1, 1, 0.05, "now", command=f"fairslice run {file}")
    assert from_json(to_json(job).encode().decode()) == job
