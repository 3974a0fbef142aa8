"""``fairslice apply``: give a running controller a policy."""

from pathlib import Path

import click

from fairslice.cli.options import NumberRange, controller_url, examples, json_output, policy_file


@click.command(
    short_help="Give a running controller a policy.",
    epilog=examples(
        ("To the controller on this machine", "fairslice apply policies/guaranteed.yaml"),
        (
            "To another, with time for a large network",
            "fairslice apply policies/ring.yaml --controller sdn:8080 --timeout 120",
        ),
    ),
)
@policy_file()
@controller_url
@json_output()
@click.option(
    "--timeout",
    default=30.0,
    show_default=True,
    type=NumberRange(0, 3600),
    metavar="SECONDS",
    help="How long to wait until it is in force.",
)
def command(policy: Path, url: str, as_json: bool, timeout: float) -> None:
    """Give a running controller POLICY, a policy file, and wait until every switch holds what it should.

    A policy with faults, or with guarantees that do not fit, is refused whole; the one in force stays.
    """
    from fairslice.api.client import ControllerClient
    from fairslice.files.yaml_tree import read_file
    from fairslice.policy import parse_policy
    from fairslice.policy.enforceable import require_enforceable

    # Read once: what is checked here is what is sent.
    text = read_file(policy)
    require_enforceable(parse_policy(text, str(policy)), "`apply`")
    with ControllerClient(url) as client:
        before = client.status()
        client.apply_policy(text, str(policy))
        after = client.wait_in_force(timeout)
    if as_json:
        from fairslice.cli.output import print_document

        print_document(after.model_dump_json(indent=2))
        return
    sent = after.modifications - before.modifications
    click.echo(f"generation {after.generation} is in force: {sent} meter and flow modifications sent")
    for problem in after.problems:
        click.echo(f"problem: {problem}", err=True)
