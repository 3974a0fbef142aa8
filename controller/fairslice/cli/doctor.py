"""``fairslice doctor``: what this machine can do, and what stands in the way."""

import sys
from typing import TYPE_CHECKING

import click

from fairslice.cli.options import examples, json_output
from fairslice.errors import EXIT_MACHINE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairslice.lab.doctor.findings import Finding


@click.command(
    short_help="Say what this machine can do, what stands in the way, and how to mend it.",
    epilog=examples(
        ("All of it, packets through switches too", "sudo fairslice doctor"),
        ("What can be seen without root, in two seconds", "fairslice doctor --quick"),
    ),
)
@click.option(
    "--quick", is_flag=True, help="Boot nothing and send no packets: two seconds in place of twelve."
)
@json_output(when=lambda values: bool(values["inside"]))
@click.option("--inside", is_flag=True, hidden=True)
def command(quick: bool, as_json: bool, inside: bool) -> int:
    """Look at software, privileges, processors and a running Open vSwitch; boot a virtual machine.

    Then send packets through switches.

    The packet tests run in namespaces of their own, which vanish with them, and need root. Every line says
    ok, warn (something can't be done here) or fail (`fairslice run` can't be done, or its numbers would be
    wrong), what was found, and what mends it; docs/doctor.md tells more.

    Exits 0 if nothing fails, 6 if something does.
    """
    import json

    if inside:
        _inside(as_json)
        return 0

    from fairslice.cli.output import print_document
    from fairslice.cli.progress import shown_progress
    from fairslice.lab.doctor.examine import cheap_findings, isolated_findings, not_tested
    from fairslice.lab.doctor.findings import ordered, worst

    with shown_progress(quiet=as_json) as tell:
        tell("looking at software, privileges and processors")
        findings = cheap_findings(boot=not quick)
    if not quick:
        untested = not_tested(findings)
        if untested is None:
            options = ["--json"] if as_json else []
            argv = [sys.executable, "-m", "fairslice", "doctor", "--inside", *options]
            tested, stopped = isolated_findings(argv)
            if stopped:
                return stopped
            findings += tested
        else:
            findings += (untested,)
    findings = ordered(findings)
    if as_json:
        values = [finding.as_json() for finding in findings]
        print_document(
            json.dumps({"status": worst(findings), "findings": values}, indent=2, ensure_ascii=False)
        )
    else:
        _print(findings)
    return EXIT_MACHINE if worst(findings) == "fail" else 0


def _inside(as_json: bool) -> None:
    import json

    from fairslice.cli.output import print_document
    from fairslice.cli.progress import shown_progress
    from fairslice.lab.doctor.packets import packet_findings
    from fairslice.lab.emulation.isolation import prepare_inside

    prepare_inside()
    with shown_progress(quiet=as_json) as tell:
        findings = tuple(packet_findings(tell))
    print_document(json.dumps([finding.as_json() for finding in findings]))


def _print(findings: "Sequence[Finding]") -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from fairslice.cli.output import wide_enough

    colours = {"ok": "green", "warn": "yellow", "fail": "bold red"}
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("status")
    table.add_column("subject", min_width=18)
    table.add_column("found", overflow="fold", ratio=3)
    table.add_column("fix", overflow="fold", ratio=2)
    for finding in findings:
        status = Text(finding.status, style=colours[finding.status])
        table.add_row(status, finding.subject, finding.found, finding.fix)
    wide_enough(Console(markup=False, highlight=False)).print(table)
