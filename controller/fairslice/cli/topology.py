"""``fairslice topology``: show a network, or write it as a network file."""

from typing import TYPE_CHECKING

import click

from fairslice.cli.options import examples, json_output, load_topology, network_options, topology_argument

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from fairslice.topology.network import Network
    from fairslice.topology.options import NetworkOptions


@click.command(
    short_help="Show a network, or write it as a network file.",
    epilog=examples(
        ("A topology that comes with fairslice", "fairslice topology topologies/ring.py"),
        (
            "With arguments, as `mn --topo` would take them",
            "fairslice topology topologies/dumbbell.py:dumbbell,4,bottleneck=50",
        ),
        (
            "As a network file, for a machine that has no Mininet",
            "fairslice topology topologies/ring.py --json > network.json",
        ),
    ),
)
@topology_argument
@json_output(help="Print the network file (JSON) that every --topology takes.")
@network_options
def command(spec: str, bandwidth_bps: float | None, options: "NetworkOptions", as_json: bool) -> None:
    """Show the switches, hosts and links of a topology, with capacities in bit/s of Ethernet frames.

    FILE is a Python file with Mininet topologies, followed by what `mn --topo` would take (NAME and ARGS; the
    only topology, with its defaults, if they are left out); or a network file (JSON); or a GraphML or SNDlib
    file. docs/topologies.md tells of each.
    """

    network = load_topology(spec, bandwidth_bps=bandwidth_bps, options=options)
    if as_json:
        import json

        from fairslice.cli.output import print_document
        from fairslice.topology.nodelink import to_json

        print_document(json.dumps(to_json(network), indent=2))
        return

    from rich.console import Console

    from fairslice.cli.output import wide_enough

    console = wide_enough(Console(highlight=False))
    for table in _tables(network):
        console.print(table)


def _tables(network: "Network") -> "list[Table]":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from fairslice.topology.network import dpid_text
    from fairslice.units import format_duration, format_rate

    def table(title: "str | Text", *columns: str) -> Table:
        made = Table(*columns, title=title, title_justify="left", box=SIMPLE_HEAD)
        for column in made.columns:
            column.overflow = "fold"
        return made

    labels = {switch.name: [Text(switch.label)] for switch in network.switches.values() if switch.label}
    called = ("label",) if labels else ()
    title = Text(f"Switches of {network.name}: {len(network.switches)}")
    switches = table(title, "switch", "dpid", *called)
    for switch in network.switches.values():
        switches.add_row(switch.name, dpid_text(switch.dpid), *labels.get(switch.name, ()))
    hosts = table(f"Hosts: {len(network.hosts)}", "host", "IP", "MAC", "switch", "port", *called)
    for host in network.hosts.values():
        place = labels.get(host.switch, ())
        hosts.add_row(host.name, host.ip, host.mac, host.switch, str(host.port_no), *place)
    far = any(link.delay_s or link.loss for link in network.links.values())
    named = any(link.interface_name for link in network.links.values())
    columns = ("from", "port", *(("interface",) if named else ()), "to", "capacity")
    columns += ("delay", "loss") if far else ()
    links = table(f"Links: {len(network.links)}", *columns)
    for link in network.links.values():
        conditions = (format_duration(link.delay_s), f"{link.loss:.3%}") if far else ()
        capacity = format_rate(link.capacity_bps)
        interface = (link.interface,) if named else ()
        links.add_row(link.source, str(link.port_no), *interface, link.target, capacity, *conditions)
    return [switches, hosts, links]
