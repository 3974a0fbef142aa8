"""``fairslice status``: where a running controller stands."""

import click

from fairslice.cli.options import answer_timeout, controller_url, examples, json_output
from fairslice.errors import EXIT_MACHINE


@click.command(
    short_help="Show where a running controller stands.",
    epilog=examples(
        ("This machine's controller", "fairslice status"),
        ("Another one, for a program", "fairslice status --controller 10.0.0.7:8080 --json"),
    ),
)
@controller_url
@answer_timeout
@json_output()
def command(url: str, timeout: float, as_json: bool) -> int:
    """Show the generation, whether it is in force, and what is missing or wrong.

    Exits 0 if the generation is in force, 6 if not, or if the controller can't be reached.
    """
    from fairslice.api.address import read_url
    from fairslice.api.client import ControllerClient
    from fairslice.cli.refusals import reading

    url = read_url(url)
    with ControllerClient(url, timeout) as client, reading(url):
        status = client.status()
    if as_json:
        from fairslice.cli.output import print_document

        print_document(status.model_dump_json(indent=2))
    else:
        state = "in force" if status.in_force else "not in force yet"
        click.echo(f"generation {status.generation}: {state} ({status.framework})")
        for title, lines in (
            ("missing", status.missing),
            ("surprise", status.surprises),
            ("problem", status.problems),
        ):
            for line in lines:
                click.echo(f"{title}: {line}")
    return 0 if status.in_force else EXIT_MACHINE
