"""``fairslice allocate``: max-min fair rates for a problem file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fairslice.cli.options import examples, json_output

if TYPE_CHECKING:
    from fairslice.alloc.files import ProblemFile
    from fairslice.alloc.problem import AllocationProblem


@click.command(
    short_help="Answer a max-min problem of links and flows, without a network.",
    epilog=examples(
        (
            "Two flows on a link of 10 units",
            """echo '{"links": {"A": 10},
"flows": [{"id": "f", "path": ["A"]}, {"id": "g", "path": ["A"]}]}' |
fairslice allocate -""",
        ),
        (
            "In words, and why f has its rate",
            """echo '{"links": {"A": 10}, "flows": [{"id": "f", "path": ["A"]}]}' |
fairslice allocate - --explain --flow f""",
        ),
    ),
)
@click.argument("file", type=click.Path(allow_dash=True, dir_okay=False))
@click.option("--explain", "explained", is_flag=True, help="Show the filling step by step, for people.")
@click.option(
    "--flow",
    metavar="FLOW",
    help="With --explain: why this flow (its id, its number, or a part of its id) has its rate, and what"
    " would raise it.",
)
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="With --explain: draw the filling into a file, whose name ends in .svg or .png.",
)
@json_output(when=lambda values: not values["explained"])
def command(file: str, explained: bool, flow: str | None, picture: Path | None, as_json: bool) -> None:
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

    The answer is JSON, with --json or without. With --explain a single problem is explained in words instead;
    with --explain --json the answer has an "explanation" as well.

    Exit status: 2 for bad input, 3 if the guarantees ("min") of a single problem do not fit; in an array such
    problems are answered in their place.
    """
    import json

    from fairslice.alloc import files
    from fairslice.cli.output import print_document
    from fairslice.cli.problem_text import read_problem_text
    from fairslice.errors import InfeasibleError

    if not explained and (flow is not None or picture is not None):
        raise click.UsageError("--flow and --picture need --explain")
    text, name = read_problem_text(file)
    parsed = files.parse_problems(text, name)
    if explained:
        flow = _check_explained(parsed, name, flow, picture)
    if parsed.is_array:
        print_document(json.dumps(files.answers(parsed.problems), indent=2))
        return
    problem = parsed.problems[0]
    try:
        if explained and not as_json:
            _explain(problem, name, flow, picture, as_json=False)
            return
        answer = files.answer(problem)
        if explained:
            answer["explanation"] = _explain(problem, name, flow, picture, as_json=True)
        print_document(json.dumps(answer, indent=2))
    except InfeasibleError as error:
        if as_json or not explained:
            print_document(json.dumps(files.infeasible_answer(error), indent=2))
        raise


def _check_explained(parsed: "ProblemFile", name: str, flow: str | None, picture: Path | None) -> str | None:
    """Refuse what can't be explained; the id of the flow that is asked for."""
    from fairslice.cli.explanation_picture import check_picture
    from fairslice.errors import InputError
    from fairslice.naming import Named, find_flow

    check_picture(picture)
    if parsed.is_array:
        raise InputError(f"{name}: found an array of problems; expected a single one for --explain")
    if flow is None:
        return None
    named = [
        Named(number, one.id, one.slice or "") for number, one in enumerate(parsed.problems[0].flows, start=1)
    ]
    return find_flow(flow, named, "--flow").id


def _explain(
    problem: "AllocationProblem", name: str, flow: str | None, picture: Path | None, *, as_json: bool
) -> dict[str, Any]:
    """Draw, print unless that is left to the caller, and return what JSON says of it."""
    from fairslice.alloc.explain.filling import explain
    from fairslice.alloc.files import stated
    from fairslice.cli.explanation import Words, document, show
    from fairslice.cli.explanation_picture import picture_of, write_picture

    names = {one.id: one.id for one in problem.flows}
    numbers = {one.id: number for number, one in enumerate(problem.flows, start=1)}
    words = Words(name, names, numbers, lambda amount: f"{amount:.6g}", "unit", "", stated)
    filling = explain(problem)
    if picture is not None:
        write_picture(picture, picture_of(filling, words))
    if as_json:
        return document(filling, words, flow)
    show(filling, words, flow)
    if picture is not None:
        click.echo(f"Picture: {picture}")
    return {}
