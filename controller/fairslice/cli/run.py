"""``fairslice run``: the main job, from a topology and a policy to a verdict."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fairslice.cli.options import (
    NumberRange,
    OneNamed,
    examples,
    json_output,
    load_topology,
    network_options,
    policy_file,
    topology_option,
)

if TYPE_CHECKING:
    from fairslice.lab.trial.datapath_choice import Wanted
    from fairslice.lab.trial.job import Job
    from fairslice.topology.options import NetworkOptions


@click.command(
    short_help="Emulate a network, enforce a policy, measure every flow, and report.",
    epilog=examples(
        (
            "Slices on a bottleneck, with a report",
            "fairslice run policies/limited.yaml --topology topologies/dumbbell.py \\\n--out out/limited",
        ),
        (
            "On the kernel's datapath, measured for 30 s",
            "fairslice run policies/ring.yaml --topology topologies/ring.py \\\n"
            "--datapath kernel --duration 30",
        ),
        (
            "One slice sends UDP at ten times its allocation",
            "fairslice run policies/gold-silver-bronze.yaml \\\n"
            "--topology topologies/dumbbell.py --send bronze=udp,x10",
        ),
    ),
)
@topology_option(required=True)
@json_output()
@network_options
@policy_file()
@click.option(
    "--duration",
    default=10.0,
    show_default=True,
    type=NumberRange(1, 600),
    metavar="SECONDS",
    help="How long to measure, at least.",
)
@click.option(
    "--max-duration",
    default=60.0,
    show_default=True,
    type=NumberRange(1, 3600),
    metavar="SECONDS",
    help="How long to measure at most, where --duration is too short to tell the tolerance of some flow.",
)
@click.option(
    "--warmup",
    default=3.0,
    show_default=True,
    type=NumberRange(0, 60),
    metavar="SECONDS",
    help="How long to send before the measurement; longer where buckets of UDP senders take longer to empty.",
)
@click.option(
    "--tolerance",
    default=5.0,
    show_default=True,
    type=NumberRange(0.1, 100),
    metavar="PERCENT",
    help="By how much of its allocation a flow may miss it.",
)
@click.option(
    "--out",
    cls=OneNamed,
    formerly=("--output",),
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory for results.json and report.html, new or empty; without it out/NAME-TIME, by the policy's"
    " name, and out/last leads there.",
)
@click.option(
    "--send",
    "senders",
    multiple=True,
    metavar="FLOW=udp[,xFACTOR]",
    help="Send a flow (its number, FROM->TO, or any part of its name that no other flow has), or all of a"
    " slice, with UDP at a multiple of the allocation; repeatable.",
)
@click.option(
    "--congestion-control",
    default="cubic",
    show_default=True,
    metavar="NAME",
    help="Congestion control of the hosts' TCP, by the name that their kernel has for it.",
)
@click.option(
    "--datapath",
    type=click.Choice(["auto", "kernel", "user"]),
    default="auto",
    show_default=True,
    help="The switches' datapath: the kernel's, or Open vSwitch's in userspace (user); auto is the kernel's"
    " where it is loaded.",
)
@click.option(
    "--vm/--no-vm",
    default=None,
    help="Run in a virtual machine, with its kernel's datapath (see `fairslice vm`), or never in one; without"
    " either, where this machine itself can't.",
)
def command(
    topology: str,
    bandwidth_bps: float | None,
    options: "NetworkOptions",
    policy: Path,
    duration: float,
    max_duration: float,
    warmup: float,
    tolerance: float,
    out: Path | None,
    senders: tuple[str, ...],
    congestion_control: str,
    datapath: "Wanted",
    vm: bool | None,
    as_json: bool,
) -> int:
    """Bring up the topology, install POLICY, a policy file, measure all flows at once, and report.

    Everything runs in namespaces of its own, which vanish with the run, however it ends. That needs root;
    without it, for the kernel datapath on a kernel that has not loaded it, or for links with delay or loss on
    a kernel that can't emulate them, a virtual machine is booted.

    Before that it looks whether this machine can do it (see `fairslice doctor --quick`), and refuses if not.

    It measures for --duration, or longer if that is too short to tell the tolerance of some flow.

    Exits 0 if every flow is within the tolerance, 4 if one is not, 5 if that can't be told (a busy machine,
    too few frames), 2 on bad input, 3 if the guarantees do not fit, 6 if the machine lacks something.
    """
    from fairslice.cli.extras import require

    for extra in ("controller", "report"):
        require(extra, "fairslice run")
    from dataclasses import replace
    from datetime import datetime

    from fairslice.cli.job import require_fit_for
    from fairslice.cli.output import document_descriptor
    from fairslice.lab.emulation.isolation import check_visible, run_isolated
    from fairslice.lab.trial.datapath_choice import choose, look_here
    from fairslice.lab.trial.directory import DEFAULT_PARENT, results_directory
    from fairslice.lab.trial.job import to_json

    job = _job(
        topology,
        bandwidth_bps,
        options,
        policy,
        (duration, max_duration, warmup),
        tolerance,
        senders,
        congestion_control,
    )
    choice = choose(datapath, vm, look_here(), job.network)
    job = replace(job, datapath=choice.datapath)
    check_visible((DEFAULT_PARENT if out is None else out,))
    # The virtual machine is given a directory that is there.
    with results_directory(
        out, policy, datetime.now(), lambda text: click.echo(text, err=True), keep=choice.vm
    ) as directory:
        argv = [sys.executable, "-m", "fairslice", "job", "--out", str(directory)]
        argv += ["--json"] if as_json else []
        given = to_json(job).encode()
        if not choice.vm:
            require_fit_for(job)
            return run_isolated(argv, output=document_descriptor(), given=given)
        from fairslice.lab.vm.machine import Machine, run_in_vm

        if not as_json:
            click.echo(f"in a virtual machine ({choice.why})", err=True)
        machine = Machine((*argv, "--isolate"), (directory,), given=given)
        return run_in_vm(machine, output=document_descriptor())


def _job(
    topology: str,
    bandwidth_bps: float | None,
    options: "NetworkOptions",
    policy: Path,
    times_s: tuple[float, float, float],
    tolerance: float,
    senders: tuple[str, ...],
    congestion_control: str,
) -> "Job":
    """All that can be refused is refused here, before anything is built."""
    from datetime import UTC, datetime

    from fairslice.errors import InputError
    from fairslice.lab.traffic.plan import parse_sender, plan_traffic
    from fairslice.lab.trial.job import Job
    from fairslice.policy import load_policy
    from fairslice.policy.enforceable import require_enforceable
    from fairslice.slicing.acceptance import accept
    from fairslice.slicing.state.enforced import shortcomings
    from fairslice.slicing.view import view

    network = load_topology(topology, bandwidth_bps=bandwidth_bps, options=options)
    wanted = tuple(parse_sender(text) for text in senders)
    loaded = load_policy(policy)
    require_enforceable(loaded, "`run`")
    allocation = accept(loaded, network)
    flows = view(allocation).flows
    if not flows:
        raise InputError(
            f"{policy}: the policy has no flows; expected one at least, for something to measure"
        )
    plan_traffic(flows, wanted)
    duration, max_duration, warmup = times_s
    return Job(
        network=network,
        topology=topology,
        policy=loaded,
        notes=tuple(str(fault) for fault in shortcomings(allocation)),
        duration_s=duration,
        max_duration_s=max_duration,
        warmup_s=warmup,
        tolerance=tolerance / 100,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        senders=wanted,
        congestion_control=congestion_control,
        command=shlex.join(["fairslice", *sys.argv[1:]]),
    )
