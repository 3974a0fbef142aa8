"""``fairslice controller``: the control plane as a process of its own."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fairslice.cli.options import load_topology, network_options

if TYPE_CHECKING:
    from fairslice.topology.options import NetworkOptions

DEFAULT_OVSDB = "unix:/var/run/openvswitch/db.sock"


@click.command(short_help="Run the controller: Ryu, the policy, and the switches that connect.")
@click.option(
    "--network",
    "--topology",
    "network",
    metavar="FILE",
    help="Network file (JSON) or topology: names, hosts and capacities of links.",
)
@network_options
@click.option("--policy", type=click.Path(path_type=Path), help="Policy to begin with.")
@click.option(
    "--ovsdb",
    default=DEFAULT_OVSDB,
    show_default=True,
    help="The switches' OVSDB, where queues are made; 'none' does without queues.",
)
@click.option("--agent/--no-agent", default=True, help="Run the switch agent too, where OVSDB is local.")
@click.option(
    "--openflow-port",
    default=6653,
    show_default=True,
    type=click.IntRange(1, 65535),
    help="TCP port for switches.",
)
@click.option("--rest-host", default="127.0.0.1", show_default=True, help="Address of the REST interface.")
@click.option(
    "--rest-port",
    default=8080,
    show_default=True,
    type=click.IntRange(1, 65535),
    help="TCP port of the REST interface.",
)
def command(
    network: str | None,
    bandwidth_bps: float | None,
    options: "NetworkOptions",
    policy: Path | None,
    ovsdb: str,
    agent: bool,
    openflow_port: int,
    rest_host: str,
    rest_port: int,
) -> int:
    """Run the controller until it is interrupted.

    It speaks OpenFlow 1.3 and OVSDB with the switches and REST with everything else. Without --network it
    takes what LLDP finds, with the capacities that OVSDB or the ports tell.
    """
    from fairslice.alloc.slices import allocate_slices
    from fairslice.policy import load_policy
    from fairslice.policy.enforceable import require_enforceable

    expected = (
        None if network is None else load_topology(network, bandwidth_bps=bandwidth_bps, options=options)
    )
    wanted = None if policy is None else load_policy(policy)
    if wanted is not None:
        require_enforceable(wanted, "`controller`")
    if expected is not None and wanted is not None:
        allocate_slices(wanted, expected)

    from fairslice.app.launcher import Listen, serve

    return 128 + serve(
        expected,
        wanted,
        None if ovsdb == "none" else ovsdb,
        Listen(openflow_port, rest_host, rest_port),
        agent=agent and ovsdb.startswith("unix:"),
    )
