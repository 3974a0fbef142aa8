"""The results directory: results.json, report.html, what iperf3 said, and the logs."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from fairslice.errors import FairsliceError, InputError, MachineError, writing
from fairslice.lab.trial.job import Job
from fairslice.lab.trial.run import Outcome
from fairslice.lab.trial.testbed import LOGS
from fairslice.measure.results import to_json

_LONGEST_NAME = 50
"""Characters of a flow that name its files; names of 255 bytes are the most that file systems take."""


def write_outcome(out: Path, job: Job, outcome: Outcome) -> Path:
    """Write everything, what matters most first; the path of report.html.

    What can't be written does not keep the rest from being written.

    Raises:
        InputError: something can't be written there; all that can't.
        MachineError: the machine can't write now, such as to a full disk; all that can't be written.
    """
    from fairslice.lab.trial.report_input import report_input
    from fairslice.report.page import write_report, write_whole

    results, report = out / "results.json", out / "report.html"

    def write_results() -> None:
        with writing(out):
            out.mkdir(parents=True, exist_ok=True)
        with writing(results):
            write_whole(results, to_json(outcome.result))

    failed: list[FairsliceError] = []
    for write in (
        write_results,
        lambda: write_report(outcome.result, report_input(job, outcome), report),
        lambda: _write_streams(out / "iperf3", outcome),
        lambda: write_logs(out),
    ):
        try:
            write()
        except FairsliceError as error:
            failed.append(error)
    if failed:
        raise _together(failed)
    return report


def _together(failed: Sequence[FairsliceError]) -> FairsliceError:
    """One error of several: the machine's, if any is."""
    if all(isinstance(error, InputError) for error in failed):
        return InputError(
            [fault for error in failed if isinstance(error, InputError) for fault in error.faults]
        )
    return MachineError("\n".join(map(str, failed)))


def _write_streams(raw: Path, outcome: Outcome) -> None:
    """What iperf3 said of each stream, at both of its ends."""
    from fairslice.report.page import write_whole

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
