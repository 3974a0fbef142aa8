"""``fairslice job``: what `fairslice run` starts in the emulation's namespaces and in a virtual machine."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fairslice.cli.options import json_output

if TYPE_CHECKING:
    from fairslice.lab.trial.job import Job


@click.command(hidden=True, short_help="Carry out a job of `fairslice run`.")
@click.option(
    "--isolate",
    is_flag=True,
    help="Look at the machine and make namespaces first.",
)
@click.option(
    "--out", required=True, metavar="DIR", type=click.Path(path_type=Path), help="Where results go."
)
@json_output()
def command(isolate: bool, out: Path, as_json: bool) -> int:
    """Carry out the job on standard input, in namespaces that were made for it; `fairslice run` writes it."""
    text = sys.stdin.buffer.read()
    if isolate:
        from fairslice.cli.output import document_descriptor
        from fairslice.lab.emulation.isolation import run_isolated
        from fairslice.lab.trial.job import from_json

        require_fit_for(from_json(text.decode()))
        options = [*(["--json"] if as_json else []), "--out", str(out)]
        argv = [sys.executable, "-m", "fairslice", "job", *options]
        return run_isolated(argv, output=document_descriptor(), given=text)
    from fairslice.lab.emulation.isolation import prepare_inside

    prepare_inside()
    from fairslice.lab.trial.job import from_json

    return _carry_out(from_json(text.decode()), out, as_json)


def require_fit_for(job: "Job") -> None:
    """Refuse a job that this machine can't carry out.

    It is asked where the job is to run, so in a virtual machine of the machine's own kernel.

    Raises:
        InputError: the kernel lacks the congestion control that is asked for.
        MachineError: what stands in the way.
    """
    from fairslice.lab.doctor.examine import quick_findings
    from fairslice.lab.doctor.findings import require_fit
    from fairslice.lab.emulation.wires import check_wires
    from fairslice.linux.congestion import require_congestion_control

    if job.congestion_control is not None:
        require_congestion_control(job.congestion_control)
    require_fit(quick_findings(job.datapath))
    check_wires(job.network)


def _carry_out(job: "Job", out: Path, as_json: bool) -> int:
    import os
    import tempfile

    from rich.console import Console

    from fairslice.cli.output import print_document, wide_enough
    from fairslice.cli.progress import shown_progress
    from fairslice.errors import FairsliceError
    from fairslice.lab.trial.output import write_logs, write_outcome
    from fairslice.lab.trial.run import run_job
    from fairslice.measure.results import to_json
    from fairslice.report.table import print_result

    # Matplotlib keeps a cache of fonts; in here it vanishes with the run.
    os.environ["MPLCONFIGDIR"] = tempfile.gettempdir()
    try:
        with shown_progress(quiet=as_json) as progress:
            outcome = run_job(job, progress)
    except FairsliceError:
        click.echo(f"logs: {write_logs(out)}", err=True)
        raise
    # First of all what was measured is shown: no full disk takes it away.
    if as_json:
        print_document(to_json(outcome.result))
        write_outcome(out, job, outcome)
        return outcome.result.exit_status
    console = wide_enough(Console())
    print_result(outcome.result, console)
    on_paths = {name for flow in outcome.allocation.flows for name in flow.path}
    if legend := job.network.legend(on_paths):
        console.print(f"Here {legend}.", soft_wrap=True, highlight=False, markup=False)
    report = write_outcome(out, job, outcome)
    console.print(f"Report: {report}", soft_wrap=True, highlight=False)
    return outcome.result.exit_status
