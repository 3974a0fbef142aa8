"""The results directory: results.json, report.html, what iperf3 said, and the logs."""

import re
import shutil
from pathlib import Path

from fairslice.errors import writing
from fairslice.lab.trial.job import Job
from fairslice.lab.trial.run import Outcome
from fairslice.lab.trial.testbed import LOGS
from fairslice.measure.results import to_json

_LONGEST_NAME = 50
"""Characters of a flow that name its files; names of 255 bytes are the most that file systems take."""


def write_outcome(out: Path, job: Job, outcome: Outcome) -> Path:
    """Write everything; the path of report.html.

    Raises:
        InputError: something can't be written there.
        MachineError: the machine can't write now, such as to a full disk.
    """
    from fairslice.lab.trial.report_input import report_input
    from fairslice.report.page import write_report, write_whole

    write_logs(out)
    raw = out / "iperf3"
    with writing(raw):
        raw.mkdir(exist_ok=True)
    taken: set[str] = set()
    for flow, stream in outcome.streams.items():
        name = re.sub(r"[^\w.>-]+", "_", flow).replace(">", "")[:_LONGEST_NAME]
        while name in taken:
            name += "_"
        taken.add(name)
        for side, said in (("server", stream.server_json), ("client", stream.client_json)):
            file = raw / f"{name}.{side}.json"
            with writing(file):
                write_whole(file, said)
    with writing(out / "results.json"):
        write_whole(out / "results.json", to_json(outcome.result))
    report = out / "report.html"
    write_report(outcome.result, report_input(job, outcome), report)
    return report


def write_logs(out: Path) -> Path:
    """Copy the logs out of the emulation's private /run; the directory that holds them.

    Raises:
        InputError, MachineError: as :func:`write_outcome`.
    """
    logs = out / "logs"
    with writing(logs):
        logs.mkdir(parents=True, exist_ok=True)
    for log in LOGS:
        if log.exists():
            with writing(logs / log.name):
                shutil.copyfile(log, logs / log.name)
    return logs
