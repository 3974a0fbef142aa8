"""``fairslice vm``: a command in a virtual machine with the kernel's Open vSwitch."""

import os
from pathlib import Path

import click

from fairslice.cli.options import OneNamed, examples


@click.command(
    short_help="Run a command in a virtual machine with the kernel datapath; no root, no image.",
    epilog=examples(
        ("Which kernel it has", "fairslice vm -- uname -r"),
        (
            "Keep what a command writes",
            "fairslice vm --memory 2G --out results -- \\\nsh -c 'ovs-vswitchd --version > results/version'",
        ),
    ),
)
@click.option(
    "--memory",
    default="1G",
    show_default=True,
    metavar="SIZE",
    help="Memory of the machine, in MiB (512M) or GiB (2G).",
)
@click.option(
    "--out",
    "outputs",
    cls=OneNamed,
    formerly=("--output",),
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Directory that the command may write on this machine (made if it is missing); repeatable.",
)
@click.argument("argv", nargs=-1, metavar="[--] [COMMAND]...")
def command(memory: str, outputs: tuple[Path, ...], argv: tuple[str, ...]) -> int:
    """Boot user-mode Linux on this machine's own files, run COMMAND in it as root, and end with its status.

    It needs no root, no hypervisor and no image, and takes about two seconds. Inside, the kernel has the
    modules openvswitch, sch_htb, sch_netem and veth, whatever this machine's has. The command sees all files
    of this machine that you may read, and may change them, but what it writes stays in the machine's memory
    and vanishes with it, except in the directories of --out. It has no network but its own. Without a
    COMMAND it is a shell.

    Exits with the command's status, 2 on bad input, 6 if this machine can't run it.
    """
    from fairslice.lab.vm.machine import Machine, read_memory, run_in_vm
    from fairslice.lab.vm.outputs import make_outputs

    memory_bytes = read_memory(memory)
    if not argv:
        argv = (os.environ.get("SHELL", "/bin/sh"),)
    with make_outputs(outputs):
        return run_in_vm(Machine(argv, outputs, memory_bytes))
