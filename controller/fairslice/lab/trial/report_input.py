"""What report.html shows besides the result: pictures' data, the policy's text, and what it all ran on."""

from collections.abc import Mapping

from fairslice.lab.trial.job import Job
from fairslice.lab.trial.run import Outcome
from fairslice.measure.iperf import parse_server
from fairslice.measure.results import RunResult
from fairslice.report.page import ReportInput
from fairslice.report.pictures import wire_series


def report_input(job: Job, outcome: Outcome) -> ReportInput:
    """Gather it."""
    # What may send nothing has a place among the flows, but no stream.
    series = tuple(
        wire_series(index, parse_server(stream.server_json), stream.begin_s)
        for index, flow in enumerate(outcome.result.flows)
        if (stream := outcome.streams.get(flow.id)) is not None and stream.error is None
    )
    legend = job.network.legend((*job.network.switches, *job.network.hosts))
    return ReportInput(
        switches=tuple(job.network.switches),
        hosts=tuple(job.network.hosts),
        series=series,
        policy_text=job.policy.text,
        environment={**({"nodes": legend} if legend else {}), **_environment(outcome.result)},
        command=outcome.result.command,
    )


def _environment(result: RunResult) -> Mapping[str, str]:
    """What it ran on, in words."""
    versions, machine = result.versions, result.machine
    found: dict[str, str | None] = {}
    if versions is not None:
        found |= {
            "fairslice": versions.fairslice,
            "Python": versions.python,
            "controller framework": versions.framework,
            "Open vSwitch": versions.open_vswitch,
            "iperf3": versions.iperf3,
            "Mininet": versions.mininet,
            "Linux": versions.kernel,
        }
    if machine is not None:
        where = ", in a virtual machine" if machine.virtual_machine else ""
        found["processors"] = f"{machine.processors}, {machine.processor}{where}"
    return {name: text or "unknown" for name, text in found.items()}
