"""``fairslice allocate``: max-min fair rates for a problem file."""

import click


@click.command
@click.argument("file", type=click.Path(allow_dash=True, dir_okay=False))
def command(file: str) -> None:
    """Answer the allocation problem in FILE (JSON; - reads standard input) on standard output.

    FILE holds one problem or an array of them:

    \b
      {"links": {"A": 10, "B": 10},
       "flows": [{"id": "f1", "path": ["A", "B"], "weight": 1,
                  "demand": null, "min": 0, "slice": "gold"}],
       "slices": {"gold": {"weight": 3, "limit": null}}}

    The answer has the rate of every flow, its bottleneck (a link's name, null for a flow that has its
    demand, {"limit": SLICE} for a slice at its limit), and whether an independent checker certifies
    them. Units are yours.

    Exit status: 2 for bad input, 3 if the floors of a single problem do not fit; in an array such
    problems are answered in their place.
    """
    import json

    from fairslice.alloc import files
    from fairslice.errors import InfeasibleError, InputError

    name = "<stdin>" if file == "-" else file
    try:
        with click.open_file(file, encoding="utf-8") as stream:
            text = stream.read()
    except OSError as error:
        raise InputError(f"{name}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: is not UTF-8: {error.reason} at byte {error.start}") from None

    parsed = files.parse_problems(text, name)
    if parsed.is_array:
        click.echo(json.dumps(files.answers(parsed.problems), indent=2))
        return
    try:
        click.echo(json.dumps(files.answer(parsed.problems[0]), indent=2))
    except InfeasibleError as error:
        click.echo(json.dumps(files.infeasible_answer(error), indent=2))
        raise
