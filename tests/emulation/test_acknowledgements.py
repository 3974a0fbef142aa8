"""Acknowledgements on real packets: what is set aside is theirs, and directions do not stop each other."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fairslice.measure.results import FlowResult, RunResult, from_json

pytestmark = [pytest.mark.emulation, pytest.mark.both_datapaths]

ROOT = Path(__file__).parents[2]
DATAPATH = os.environ.get("FAIRSLICE_TEST_DATAPATH", "user")
LINE = """from mininet.topo import Topo


class Line(Topo):
    \"""A household's line: home sends at `up` and receives at `down`, in Mbit/s.\"""

    def build(self, down=40, up=4):
        access, core = self.addSwitch('s1'), self.addSwitch('s2')
        self.addLink(self.addHost('home'), access, params1={'bw': up}, params2={'bw': down})
        self.addLink(access, core, bw=100)
        self.addLink(core, self.addHost('net'), bw=100)


class Pair(Topo):
    def build(self, hosts=2, bw=10):
        switch = self.addSwitch('s1')
        for number in range(1, hosts + 1):
            self.addLink(self.addHost('h%d' % number), switch, bw=bw)


topos = {'line': Line, 'pair': Pair}
"""


def run(directory: Path, topology: str, slices: str, *options: str) -> dict[str, FlowResult]:
    """The flows by slice and sender; the run may find that the machine was too busy to tell once."""
    file, policy, out = directory / "topo.py", directory / "policy.yaml", directory / "out"
    file.write_text(LINE)
    policy.write_text(f"version: 1\nslices:\n{slices}")
    for _ in range(2):
        shutil.rmtree(out, ignore_errors=True)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "fairslice", "run", "--topology", f"{file}:{topology}"),
                *("--policy", str(policy), "--datapath", DATAPATH, "--out", str(out), "--json", *options),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=600,
            check=False,
        )
        assert done.returncode in (0, 4, 5), done.stderr
        result: RunResult = from_json(done.stdout)
        for flow in result.flows:
            print(
                f"  {flow.slice} {flow.source}->{flow.destination}: {flow.allocated_bps:.0f} allocated,"
                f" {flow.wire_bps:.0f} on the wire ({flow.error:+.2%}), {result.verdict}, {result.busy}"
            )
        if done.returncode != 5:
            break
    return {f"{flow.slice} {flow.source}": flow for flow in result.flows}


def test_a_download_gets_its_line_and_an_upload_beside_it_what_acknowledgements_leave(
    tmp_path: Path,
) -> None:
    flows = run(
        tmp_path,
        "line",
        "  download: {flows: [{from: net, to: home, match: {proto: tcp}}]}\n"
        "  upload: {flows: [{from: home, to: net, match: {proto: tcp}}]}\n",
        *("--duration", "8"),
    )
    download, upload = flows["download net"], flows["upload home"]
    print("expected: download at least 36 Mbit/s, upload 1.8 to 2.2 Mbit/s")
    assert download.allocated_bps == pytest.approx(39.9e6, rel=1e-3)
    assert download.wire_bps >= 36e6
    assert 1.8e6 <= upload.wire_bps <= 2.2e6


@pytest.mark.alone  # To 1 %: off by 1.2 % beside other work, with the machine 95 % busy; by 0.02 % alone.
def test_udp_gets_nothing_of_what_is_set_aside_for_acknowledgements(tmp_path: Path) -> None:
    """Nobody acknowledges it: a flood in both directions stays within 1 % of what is left to data."""
    flows = run(
        tmp_path, "pair", "  both: {members: [h1, h2]}\n", *("--duration", "6", "--send", "both=udp,x2")
    )
    for flow in flows.values():
        print("expected: 9.524 Mbit/s, within 1 %")
        assert flow.allocated_bps == pytest.approx(10e6 / 1.05)
        assert abs(flow.error) <= 0.01


def test_tcp_in_both_directions_of_one_pair_gets_what_is_left(tmp_path: Path) -> None:
    flows = run(tmp_path, "pair", "  both: {members: [h1, h2]}\n", *("--duration", "8"))
    for flow in flows.values():
        print("expected: 9.524 Mbit/s, within 3 %")
        assert abs(flow.error) <= 0.03


def test_where_all_flows_share_a_switch_a_flood_is_counted_as_it_leaves(tmp_path: Path) -> None:
    """Its entries count what its meter drops as well; were that taken for the flow's, the other would pay."""
    flows = run(
        tmp_path,
        "pair,3",
        "  both: {flows: [{from: h1, to: h3}, {from: h2, to: h3}]}\n",
        *("--duration", "6", "--send", "both:h1->h3=udp,x5"),
    )
    for flow in flows.values():
        print("expected: 5 Mbit/s, within 3 %")
        assert flow.allocated_bps == pytest.approx(5e6)
        assert abs(flow.error) <= 0.03
