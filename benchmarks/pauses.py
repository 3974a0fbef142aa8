"""How long a controller keeps its switches waiting while it takes a large policy; prints one line of JSON.

A controller process of its own has a fat tree of switches that speak OpenFlow over TCP
(:mod:`fairslice.testing.tcp_switches`). While a policy is applied, one of them asks for an echo every few
milliseconds, and a port of another goes down.
"""

import asyncio
import json
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
from control import ROOT, policy_text

from fairslice.api.client import ControllerClient
from fairslice.testing.tcp_switches import TcpNetwork, TcpSwitch
from fairslice.topology.load import load_network
from fairslice.topology.network import Network

ECHO_EVERY_S = 0.002


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def until_in_force(client: ControllerClient, limit_s: float = 180.0) -> None:
    """Wait until every switch holds what it should."""
    end_s = time.monotonic() + limit_s
    while True:
        status = await asyncio.to_thread(client.status)
        if status.in_force:
            return
        if time.monotonic() > end_s:
            raise TimeoutError(str(status))
        await asyncio.sleep(0.05)


async def keep_asking(switch: TcpSwitch, late_s: list[float]) -> None:
    """Ask for an echo after the other, and note how late that is."""
    while True:
        if not switch.is_waiting:
            switch.echo()
        due_s = time.monotonic() + ECHO_EVERY_S
        await asyncio.sleep(ECHO_EVERY_S)
        late_s.append(time.monotonic() - due_s)


async def measure(
    network: Network, before: int, flows: int, fail_after_s: float, ports: tuple[int, int]
) -> Any:
    """Apply ``before`` flows, then ``flows`` under observation."""
    fakes = TcpNetwork(network)
    switches = asyncio.create_task(fakes.run(ports[0]))
    client = ControllerClient(f"http://127.0.0.1:{ports[1]}", timeout_s=180.0)
    await until_in_force(client)
    for number in (before,):
        await asyncio.to_thread(client.apply_policy, policy_text(network, number), "before.yaml")
    await until_in_force(client)
    asked = next(iter(fakes.switches.values()))
    late_s: list[float] = []
    asking = asyncio.create_task(keep_asking(asked, late_s))
    await asyncio.sleep(1.0)
    asked.heard.echoes_s.clear()
    late_s.clear()
    start_s = time.monotonic()
    applying = asyncio.create_task(
        asyncio.to_thread(client.apply_policy, policy_text(network, flows), "after.yaml")
    )
    await asyncio.sleep(fail_after_s)
    # A cable between an edge and an aggregation switch.
    source, target = next(key for key in network.links if set(key) <= set(network.switches))
    for switch in fakes.switches.values():
        switch.heard.changes.clear()
    failed_s = time.monotonic()
    was_applying = not applying.done()
    fakes.switches[network.switches[source].dpid].lose(network.links[source, target].port_no)
    rerouted_s = None
    while rerouted_s is None and time.monotonic() < failed_s + 30:
        await asyncio.sleep(0.001)
        changes = [at for s in fakes.switches.values() for at in s.heard.changes]
        rerouted_s = min(changes) - failed_s if changes else None
    await applying
    applied_s = time.monotonic() - start_s
    await until_in_force(client)
    in_force_s = time.monotonic() - start_s
    asking.cancel()
    echoes = list(asked.heard.echoes_s)
    switches.cancel()
    return {
        "framework": (await asyncio.to_thread(client.status)).framework,
        "flows": flows,
        "longest_pause_s": max(echoes),
        "longest_own_pause_s": max(late_s),
        "median_pause_s": statistics.median(echoes),
        "pauses_over_20_ms": sum(pause > 0.02 for pause in echoes),
        "failed_while_applying": was_applying,
        "rerouted_s": rerouted_s,
        "applied_s": applied_s,
        "in_force_s": in_force_s,
        "entries": sum(s.counts[0] for s in fakes.switches.values()),
    }


@click.command()
@click.option("--k", default=8, show_default=True, help="Size of the fat tree.")
@click.option("--before", default=100, show_default=True, help="Flows in force before.")
@click.option("--flows", default=10_000, show_default=True, help="Flows that are applied.")
@click.option("--fail-after", default=0.7, show_default=True, help="When the port goes down, in s.")
@click.option("--framework", default="ryu", show_default=True, type=click.Choice(["ryu", "os-ken"]))
def main(k: int, before: int, flows: int, fail_after: float, framework: str) -> None:
    """Measure the pauses of a controller."""
    topology = f"{ROOT / 'topologies' / 'fat_tree.py'}:fat_tree,k={k}"
    network = load_network(topology)
    ports = free_port(), free_port()
    command = [
        *(str(Path(sys.executable).with_name("fairslice")), "controller", "--topology", topology),
        *("--ovsdb", "none", "--openflow-port", str(ports[0]), "--rest-port", str(ports[1])),
        *(("--framework", framework) if framework != "ryu" else ()),
    ]
    with subprocess.Popen(command) as controller:
        try:
            for _ in range(200):
                time.sleep(0.1)
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", ports[0])) == 0:
                        break
            print(json.dumps(asyncio.run(measure(network, before, flows, fail_after, ports)), indent=1))
        finally:
            controller.terminate()


if __name__ == "__main__":
    main()
