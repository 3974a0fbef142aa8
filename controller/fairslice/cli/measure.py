"""``fairslice measure``: rates of a running network, from its switches' counters."""

import time

import click

from fairslice.cli.options import NumberRange, answer_timeout, controller_url, examples, json_output


@click.command(
    short_help="Measure the flows of a running network by its switches' counters.",
    epilog=examples(
        ("The network of this machine's controller, for 20 s", "fairslice measure --duration 20"),
        ("For a program, rates in bit/s", "fairslice measure --controller localhost:8081 --json"),
    ),
)
@controller_url
@click.option(
    "--duration",
    default=5.0,
    show_default=True,
    type=NumberRange(0.5, 3600),
    metavar="SECONDS",
    help="How long to count.",
)
@answer_timeout
@json_output()
def command(url: str, duration: float, timeout: float, as_json: bool) -> None:
    """Show what every flow of a running network has on the wire, next to its allocation.

    Rates are of Ethernet frames; with --json in bit/s.

    Start traffic yourself, for example iperf3 in Mininet's hosts; a flow without traffic shows 0. Frames of a
    flow are all that its match covers, acknowledgements of flows the other way included.

    Exits 6 if the controller can't be reached, has not discovered its network yet, or lacks a switch.
    """
    import json

    from fairslice.api.address import read_url
    from fairslice.api.client import ControllerClient
    from fairslice.cli.output import print_document, wide_enough
    from fairslice.cli.refusals import reading
    from fairslice.measure.rates import flow_rates

    url = read_url(url)
    with ControllerClient(url, timeout) as client, reading(url):
        allocation = client.allocation()
        before = client.counters()
        time.sleep(duration)
        rates = flow_rates(allocation, before, client.counters())
    if as_json:
        flows = [
            {
                "number": flow.number,
                "id": flow.id,
                "slice": flow.slice,
                "from": flow.source,
                "to": flow.destination,
                "allocated_bps": flow.allocated_bps,
                "offered_bps": rates[flow.id].offered_bps,
                "metered_bps": rates[flow.id].metered_bps,
                "wire_bps": rates[flow.id].wire_bps,
            }
            for flow in allocation.flows
        ]
        print_document(json.dumps({"duration_s": duration, "flows": flows}, indent=2))
        return

    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from fairslice.units import format_rate

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("#", "flow", "allocated", "offered", "dropped by meter", "on the wire"):
        table.add_column(column, justify="left" if column == "flow" else "right", overflow="fold")
    for flow in allocation.flows:
        found = rates[flow.id]
        table.add_row(
            str(flow.number),
            flow.id,
            *(
                format_rate(rate)
                for rate in (flow.allocated_bps, found.offered_bps, found.metered_bps, found.wire_bps)
            ),
        )
    wide_enough(Console(markup=False)).print(table)
