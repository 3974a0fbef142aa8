"""``fairslice controller``: the control plane as a process of its own."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fairslice.cli.options import examples, load_topology, network_options, policy_file, topology_option

if TYPE_CHECKING:
    from fairslice.topology.options import NetworkOptions

DEFAULT_OVSDB = "unix:/var/run/openvswitch/db.sock"


@click.command(
    short_help="Run the controller: Ryu or os-ken, the policy, and the switches that connect.",
    epilog=examples(
        (
            "For a network that is known, with a policy to begin with",
            "fairslice controller policies/ring.yaml --topology topologies/ring.py",
        ),
        (
            "For whatever connects, beside another controller on this machine",
            "fairslice controller --openflow-port 6654 --rest-port 8081",
        ),
    ),
)
@topology_option(
    required=False,
    help="The network that is expected: names, hosts and capacities; see `fairslice topology --help`.",
)
@network_options
@policy_file(required=False)
@click.option(
    "--ovsdb",
    default=DEFAULT_OVSDB,
    show_default=True,
    metavar="TARGET",
    help="The switches' database, where queues are made: unix:PATH or tcp:ADDRESS:PORT, or several of a"
    " cluster with commas between them; 'none' does without queues.",
)
@click.option(
    "--agent/--no-agent",
    default=True,
    show_default=True,
    help="Run the switch agent too (`fairslice agent`), where the database is on this machine.",
)
@click.option(
    "--openflow-port",
    default=6653,
    show_default=True,
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help="TCP port for switches.",
)
@click.option(
    "--rest-host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="IP address at which the REST interface listens.",
)
@click.option(
    "--rest-port",
    default=8080,
    show_default=True,
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help="TCP port of the REST interface.",
)
@click.option(
    "--framework",
    type=click.Choice(["ryu", "os-ken"]),
    help="What speaks OpenFlow: Ryu, or os-ken, which is maintained. Default: Ryu where it is installed.",
)
@click.option("--called", hidden=True, help="How POLICY is called in messages.")
def command(
    topology: str | None,
    bandwidth_bps: float | None,
    options: "NetworkOptions",
    policy: Path | None,
    ovsdb: str,
    agent: bool,
    openflow_port: int,
    rest_host: str,
    rest_port: int,
    framework: str | None,
    called: str | None,
) -> int:
    """Run the controller until it is interrupted, with POLICY, a policy file, in force from the beginning.

    It speaks OpenFlow 1.3 and OVSDB with the switches and REST with everything else. Without --topology it
    takes what LLDP finds, with the capacities that OVSDB or the ports tell. Without POLICY it waits for
    `fairslice apply`.
    """
    from fairslice.errors import InputError
    from fairslice.policy import load_policy
    from fairslice.policy.enforceable import require_enforceable
    from fairslice.slicing.acceptance import accept

    if openflow_port == rest_port:
        raise InputError(f"--openflow-port and --rest-port are both {rest_port}; expected a port for each")
    expected = (
        None if topology is None else load_topology(topology, bandwidth_bps=bandwidth_bps, options=options)
    )
    wanted = None if policy is None else load_policy(policy, called)
    if wanted is not None:
        require_enforceable(wanted, "`controller`")
    if expected is not None and wanted is not None:
        accept(wanted, expected, omit_unreachable=True)

    if framework is not None:
        # It is read when the framework's modules are imported.
        os.environ["FAIRSLICE_FRAMEWORK"] = framework
    from fairslice.control.app.launcher import Listen, serve

    return 128 + serve(
        expected,
        wanted,
        None if ovsdb == "none" else ovsdb,
        Listen(openflow_port, rest_host, rest_port),
        agent=agent and ovsdb.startswith("unix:"),
    )
