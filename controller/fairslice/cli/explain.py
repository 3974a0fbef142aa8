"""``fairslice explain``: how the rates of a policy come about, and what would raise one."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fairslice.cli.options import (
    examples,
    json_output,
    load_topology,
    network_options,
    policy_file,
    topology_option,
)

if TYPE_CHECKING:
    from fairslice.topology.options import NetworkOptions


@click.command(
    short_help="Show how the rates of a policy come about, and what would raise one.",
    epilog=examples(
        (
            "How the rates come about",
            "fairslice explain policies/star.yaml --topology topologies/star.py",
        ),
        (
            "And why the first flow has its rate",
            "fairslice explain policies/star.yaml 1 --topology topologies/star.py",
        ),
        (
            "With a picture",
            "fairslice explain policies/star.yaml --topology topologies/star.py \\\n--picture filling.svg",
        ),
    ),
)
@policy_file()
@click.argument("flow", required=False)
@topology_option(required=True)
@json_output()
@network_options
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Draw the filling into a file, whose name ends in .svg or .png.",
)
def command(
    policy: Path,
    flow: str | None,
    topology: str,
    bandwidth_bps: float | None,
    options: "NetworkOptions",
    picture: Path | None,
    as_json: bool,
) -> None:
    """Show the filling of a topology by POLICY, step by step: all flows rise together until a link is full or
    a demand or a limit is reached, and the flows that this stops keep what they have.

    With FLOW (its number; "h1->h4"; or any other part of its name that no other flow has) show also why this
    flow has its rate: who holds what of its bottleneck, and what more capacity would do to it, link by link.
    That can be a loss, where it lets others rise whom the flow meets elsewhere."""
    from fairslice.alloc.explain.filling import explain
    from fairslice.cli.explanation import Words, document, show
    from fairslice.cli.explanation_picture import check_picture, picture_in_rates, write_picture
    from fairslice.naming import Named, ends, find_flow
    from fairslice.policy import load_policy
    from fairslice.slicing.acceptance import accept
    from fairslice.units import format_rate

    check_picture(picture)
    network = load_topology(topology, bandwidth_bps=bandwidth_bps, options=options)
    allocation = accept(load_policy(policy), network)
    flows = [allocated.flow for allocated in allocation.flows]
    named = [Named(one.number, one.id, one.slice) for one in flows]
    wanted = None if flow is None else find_flow(flow, named).id
    names = {one.id: ends(one.source, one.destination, one.match) for one in flows}
    numbers = {one.id: one.number for one in flows}
    words = Words(str(policy), names, numbers, format_rate, "Mbit/s", "_bps", str)
    filling = explain(allocation.problem)
    if picture is not None:
        write_picture(picture, picture_in_rates(filling, words))
    if as_json:
        import json

        from fairslice.cli.output import print_document

        print_document(json.dumps({"policy": str(policy), **document(filling, words, wanted)}, indent=2))
        return
    show(filling, words, wanted)
    on_paths = {name for one in allocation.flows for name in one.route.path}
    if legend := network.legend(on_paths):
        click.echo(f"Here {legend}.")
    if allocation.policy.multipath:
        click.echo("Flows over several paths are shown with the split that they have now.")
    if picture is not None:
        click.echo(f"Picture: {picture}")
