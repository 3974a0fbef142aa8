"""``fairslice agent``: the data plane's companion on the switches' machine."""

import click

from fairslice.cli.options import examples


@click.command(
    short_help="Keep the switches' ports complete, on their machine.",
    epilog=examples(
        ("Until it is interrupted", "fairslice agent --verbose"),
        (
            "Once, for switches whose database is elsewhere",
            "fairslice agent --once --ovsdb unix:/run/other/db.sock",
        ),
    ),
)
@click.option(
    "--ovsdb",
    metavar="TARGET",
    default="unix:/var/run/openvswitch/db.sock",
    show_default=True,
    help="The switches' database: unix:PATH or tcp:ADDRESS:PORT, or several of a cluster with commas between"
    " them.",
)
@click.option("--once", is_flag=True, help="Complete the ports, wait until they are ready, and end.")
@click.option("-v", "--verbose", is_flag=True, help="Say what is done.")
def command(ovsdb: str, once: bool, verbose: bool) -> None:
    """Set on the switches' ports what OVSDB can't: queue depths and, on a userspace datapath, DSCP filters.

    Runs as root on the switches' machine, in their network namespace, until SIGTERM or Ctrl-C.
    """
    import logging

    from fairslice.control.agent.loop import run, run_once

    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, format="fairslice agent: %(message)s")
    if once:
        click.echo(f"ready; {run_once(ovsdb)} port(s) changed")
    else:
        run(ovsdb)
