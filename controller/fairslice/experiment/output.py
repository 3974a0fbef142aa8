"""The results directory: results.json, report.html, what iperf3 said, and the logs."""

import os
import re
import shutil
from pathlib import Path

from fairslice.errors import InputError
from fairslice.experiment.run import Experiment, Outcome
from fairslice.experiment.testbed import LOGS
from fairslice.measure.results import to_json


def check_writable(out: Path) -> None:
    """Find out before the work whether its results can be written.

    Raises:
        InputError: the directory is a file, or it or its nearest parent can't be written.
    """
    nearest = out.absolute()
    while not nearest.exists():
        nearest = nearest.parent
    if not nearest.is_dir():
        raise InputError(f"{out}: {nearest} is no directory; expected one, or a new path")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise InputError(f"{out}: {nearest} can't be written; expected a directory that can")


def write_outcome(out: Path, experiment: Experiment, outcome: Outcome) -> Path:
    """Write everything; the path of report.html."""
    from fairslice.experiment.report import report_input
    from fairslice.measure.report import write_report, write_whole

    write_logs(out)
    raw = out / "iperf3"
    raw.mkdir(exist_ok=True)
    taken: set[str] = set()
    for flow, stream in outcome.streams.items():
        name = re.sub(r"[^\w.>-]+", "_", flow).replace(">", "")
        while name in taken:
            name += "_"
        taken.add(name)
        (raw / f"{name}.server.json").write_text(stream.server_json, encoding="utf-8")
        (raw / f"{name}.client.json").write_text(stream.client_json, encoding="utf-8")
    write_whole(out / "results.json", to_json(outcome.result))
    report = out / "report.html"
    write_report(outcome.result, report_input(experiment, outcome), report)
    return report


def write_logs(out: Path) -> Path:
    """Copy the logs out of the emulation's private /run; the directory that holds them."""
    logs = out / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    for log in LOGS:
        if log.exists():
            shutil.copyfile(log, logs / log.name)
    return logs
