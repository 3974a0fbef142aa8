"""``fairslice apply``: give a running controller a policy."""

from pathlib import Path

import click

from fairslice.cli.options import (
    ANSWER_TIMEOUT_S,
    NumberRange,
    controller_url,
    examples,
    json_output,
    policy_file,
)


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
    help="How long to wait until it is in force; 0 does not wait.",
)
def command(policy: Path, url: str, as_json: bool, timeout: float) -> None:
    """Give a running controller POLICY, a policy file, and wait until every switch holds what it should.

    A policy with faults, or with guarantees that do not fit, is refused whole; the one in force stays.

    Exits 0 if it is in force (or taken, with --timeout 0), 2 on bad input, 3 if the guarantees do not fit, 6
    if the controller can't be reached or the policy is not in force in time.
    """
    from fairslice.api.address import read_url
    from fairslice.api.client import ControllerClient
    from fairslice.cli.refusals import reading
    from fairslice.files.yaml_tree import read_file
    from fairslice.policy import parse_policy
    from fairslice.policy.enforceable import require_enforceable

    # Read once: what is checked here is what is sent.
    text = read_file(policy)
    require_enforceable(parse_policy(text, str(policy)), "`apply`")
    url = read_url(url)
    # A large policy may be computed for as long as one is ready to wait.
    with ControllerClient(url, max(timeout, ANSWER_TIMEOUT_S)) as client:
        with reading(url):
            before = client.status()
        after = client.apply_policy(text, str(policy))
        if timeout > 0:
            after = client.wait_in_force(timeout)
    if as_json:
        from fairslice.cli.output import print_document

        print_document(after.model_dump_json(indent=2))
        return
    if not after.in_force:
        taken = f"the policy is taken (generation {after.generation})"
        click.echo(f"{taken}, and not in force yet: see `fairslice status`")
        return
    sent = after.modifications - before.modifications
    click.echo(f"generation {after.generation} is in force: {sent} meter and flow modifications sent")
    for problem in after.problems:
        click.echo(f"problem: {problem}", err=True)
