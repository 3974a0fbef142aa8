"""What report.html shows besides the result: pictures' data, the policy's text, and what it all ran on."""

import platform
import subprocess
import sys
from importlib.metadata import version

from fairslice import __version__
from fairslice.experiment.choice import look_here
from fairslice.experiment.run import Experiment, Outcome
from fairslice.measure.iperf import parse_server
from fairslice.measure.pictures import wire_series
from fairslice.measure.report import ReportInput
from fairslice.measure.results import FlowResult


def report_input(experiment: Experiment, outcome: Outcome) -> ReportInput:
    """Gather it; versions are asked of the tools that ran."""
    # What may send nothing has a place among the flows, but no stream.
    series = tuple(
        wire_series(index, parse_server(stream.server_json), stream.begin_s)
        for index, flow in enumerate(outcome.result.flows)
        if (stream := outcome.streams.get(_id(flow))) is not None and stream.error is None
    )
    legend = experiment.network.legend((*experiment.network.switches, *experiment.network.hosts))
    return ReportInput(
        switches=tuple(experiment.network.switches),
        hosts=tuple(experiment.network.hosts),
        series=series,
        policy_text=experiment.policy.read_text(encoding="utf-8"),
        environment={
            **({"nodes": legend} if legend else {}),
            "fairslice": __version__,
            "Python": platform.python_version(),
            "controller framework": outcome.result.framework,
            "Open vSwitch": _first_line("ovs-vswitchd", "--version"),
            "iperf3": _first_line("iperf3", "--version"),
            "Mininet": version("mininet"),
            "Linux": platform.release() + (", in a virtual machine" if look_here().inside_vm else ""),
        },
        command=" ".join(["fairslice", *(word for word in sys.argv[1:] if word != "--inside")]),
    )


def _id(flow: FlowResult) -> str:
    return f"{flow.slice}:{flow.source}->{flow.destination} {flow.match}".rstrip()


def _first_line(*argv: str) -> str:
    lines = subprocess.run(argv, capture_output=True, text=True, check=False).stdout.splitlines()
    return lines[0] if lines else "unknown"
