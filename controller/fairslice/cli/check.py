"""``fairslice check``: whether policies can be used, and everything that is wrong with them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fairslice.cli.options import examples, json_output, load_topology, network_options, topology_option
from fairslice.errors import EXIT_INFEASIBLE, EXIT_INPUT, Fault, InfeasibleError, InputError

if TYPE_CHECKING:
    from fairslice.slicing.allocation import NetworkAllocation
    from fairslice.topology.options import NetworkOptions


@click.command(
    "check",
    short_help="Check policy files and list every fault as file:line:column.",
    epilog=examples(
        ("Whether files are policies", "fairslice check policies/*.yaml"),
        (
            "Whether one can be used on a network",
            "fairslice check policies/ring.yaml --topology topologies/ring.py",
        ),
    ),
)
@click.argument("files", metavar="POLICY...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--policy", "more_files", multiple=True, hidden=True, type=click.Path(path_type=Path))
@topology_option(required=False, help="Check for this network, too; see `fairslice topology --help`.")
@json_output()
@network_options
def command(
    files: tuple[Path, ...],
    more_files: tuple[Path, ...],
    topology: str | None,
    bandwidth_bps: float | None,
    options: "NetworkOptions",
    as_json: bool,
) -> int:
    """Check policy files, POLICY..., and list every fault as file:line:column.

    With --topology hosts must exist, and guarantees must fit; rates that switches can't hold exactly, and
    flows that can be enforced but that `fairslice run` refuses to measure, are noted.

    Exits 0 if all can be used, 2 if not, 3 if only guarantees do not fit.
    """
    from fairslice.policy.load import check_policy, load_policy
    from fairslice.slicing.acceptance import accept
    from fairslice.slicing.state.enforced import shortcomings

    files += more_files
    if not files:
        raise click.UsageError("Missing argument 'POLICY...': the file of a policy.")
    network = None
    if topology is not None:
        network = load_topology(topology, bandwidth_bps=bandwidth_bps, options=options)
    faults: list[Fault] = []
    infeasible: InfeasibleError | None = None
    results: list[dict[str, object]] = []
    for file in files:
        result: dict[str, object] = {"file": str(file), "ok": False}
        notes: tuple[Fault, ...] = ()
        try:
            if network is None:
                policy = load_policy(file)
                flow_count = sum(len(one.flows) for one in policy.slices)
            else:
                policy, flows = check_policy(file, network.hosts)
                flow_count = len(flows)
                allocation = accept(policy, network)
                notes = (*shortcomings(allocation), *_not_measurable(allocation))
        except InputError as error:
            faults += error.faults
            result["faults"] = [_fault_object(fault, file) for fault in error.faults]
        except InfeasibleError as error:
            infeasible = error
            result["faults"] = [_fault_object(fault, file) for fault in (Fault(str(error)), *error.details)]
            if not as_json:
                for fault in (Fault(f"{file}: {error}"), *error.details):
                    click.echo(str(fault), err=True)
        else:
            result.update(ok=True, slices=len(policy.slices), flows=flow_count, faults=[])
            result["notes"] = [_fault_object(note, file) for note in notes]
            if not as_json:
                click.echo(f"{file}: ok, {_count(len(policy.slices), 'slice')}, {_count(flow_count, 'flow')}")
                for note in notes:
                    click.echo(f"{note} (note)", err=True)
        results.append(result)
    if as_json:
        from fairslice.cli.output import print_document

        print_document(json.dumps({"files": results}, indent=2))
    elif faults:
        raise InputError(faults)
    return EXIT_INPUT if faults else EXIT_INFEASIBLE if infeasible else 0


def _not_measurable(allocation: "NetworkAllocation") -> tuple[Fault, ...]:
    """For what `run` would refuse the policy, at the places of the flows that it names."""
    from fairslice.lab.traffic.plan import not_measured, plan_traffic
    from fairslice.slicing.view import view

    flows = view(allocation).flows
    none = {flow.id for flow in not_measured(flows)}
    if flows and len(none) == len(flows):
        first = allocation.flows[0].flow.location
        return (Fault("`run` can measure none of these flows: iperf3 sends TCP and UDP only", first),)
    try:
        # Ports of the others are free to choose.
        plan_traffic([flow for flow in flows if flow.dst_port is not None and flow.id not in none])
    except InputError as error:
        places = {one.flow.id: one.flow.location for one in allocation.flows}
        return tuple(
            Fault(
                f"{fault.message}; `run` refuses this policy, which can be enforced all the same",
                next((place for id, place in places.items() if fault.message.startswith(f"{id}: ")), None),
            )
            for fault in error.faults
        )
    return ()


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _fault_object(fault: Fault, file: Path) -> dict[str, object]:
    place = fault.location
    return {
        "file": str(file) if place is None else place.file,
        "line": None if place is None else place.line,
        "column": None if place is None else place.column,
        "message": fault.message,
    }
