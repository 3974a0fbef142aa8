"""``fairslice model``: problems of theory, from a file or from options, with a picture."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fairslice.cli.options import examples, json_output

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from fairslice.models.problem import ModelProblem

PICTURES: Mapping[str, str] = {
    "erlang": "fairslice.report.models.erlang_picture",
    "schedule": "fairslice.report.models.schedule_picture",
    "token-bucket": "fairslice.report.models.token_bucket_picture",
    "aimd": "fairslice.report.models.aimd_picture",
    "source": "fairslice.report.models.source_picture",
    "queue": "fairslice.report.models.queue_picture",
}
"""The module that draws the answer of each model."""
_FILE = "FILE"


class _Models(click.Group):
    """A command for each model, made of its problem's fields; anything else is the name of a file."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        from fairslice.models.answers import PROBLEMS

        return sorted(PROBLEMS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        from fairslice.models.answers import PROBLEMS

        if cmd_name == _FILE:
            return _of_file
        return _of_options(cmd_name) if cmd_name in PROBLEMS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from fairslice.models.answers import PROBLEMS

        if args and args[0] not in PROBLEMS:
            if "." not in args[0] and args[0] != "-" and not Path(args[0]).exists():
                from fairslice.files.words import did_you_mean

                meant = did_you_mean(args[0], PROBLEMS)
                raise click.UsageError(
                    f"{args[0]!r} is neither a model nor a file{meant}; models are {', '.join(PROBLEMS)}", ctx
                )
            args = [_FILE, *args]
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Models,
    short_help="Answer a problem of theory: a queue, a scheduler, a bucket, a source.",
    subcommand_metavar="MODEL … | FILE.json",
    epilog=examples(
        ("Calls that 15 servers turn away", "fairslice model erlang --offered 10 --servers 15"),
        (
            "The same from a file, or from standard input",
            """echo '{"model": "erlang", "offered": 10, "servers": 15}' |
fairslice model -""",
        ),
    ),
)
def command() -> None:
    """Answer a problem of theory, without root and without a network.

    The problem is given by options (`fairslice model MODEL --help` has those of each), or as JSON in a file
    (- is standard input): an object with its "model", or an array of them. The answer to a file is JSON. In
    an array, a problem that can't be answered has {"error": ...} in its place.

    Numbers may be fractions, such as 1/3. Units are yours where no name says one.
    """


@click.command(name=_FILE, hidden=True)
@click.argument("file", type=click.Path(allow_dash=True, dir_okay=False))
@json_output(when=lambda _: True)
def _of_file(file: str, as_json: bool) -> None:  # noqa: ARG001
    from fairslice.cli.output import indented, print_document
    from fairslice.cli.problem_text import read_problem_text
    from fairslice.models.answers import answer_text

    text, name = read_problem_text(file)
    print_document(indented(answer_text(text, name)))


def _of_options(model: str) -> click.Command:
    from fairslice.models.answers import problem_class

    problem = problem_class(model)
    fields = {name: field for name, field in problem.model_fields.items() if name != "model"}

    def answer(as_json: bool, plot: Path | None, **values: str | None) -> None:
        _answer(model, {name: value for name, value in values.items() if value is not None}, plot, as_json)

    callback: Callable[..., None] = json_output()(answer)
    plotted = click.Option(
        ["--plot"],
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE.svg",
        help="Draw the answer into a file.",
    )
    made = click.Command(
        model,
        callback=callback,
        params=[*(_option(name, field) for name, field in fields.items()), plotted],
        help=problem.__doc__,
        epilog=getattr(problem, "examples", None),
    )
    made.params += getattr(callback, "__click_params__", [])
    return made


def _option(name: str, field: "FieldInfo") -> click.Option:
    default = "" if field.is_required() or field.default is None else f"  [default: {field.default}]"
    return click.Option(
        [f"--{name.replace('_', '-')}", name],
        required=field.is_required(),
        metavar="VALUE",
        help=f"{field.description}{default}",
    )


def _answer(model: str, values: Mapping[str, str], plot: Path | None, as_json: bool) -> None:
    from rich.console import Console

    from fairslice.cli.output import indented, print_document, wide_enough
    from fairslice.cli.picture_file import check_picture
    from fairslice.report.model_table import answer_tables

    if plot is not None:
        check_picture(plot, "--plot", (".svg",))
    problem = _problem(model, values)
    answer = problem.answer()
    if plot is not None:
        _draw(model, problem, answer, plot)
    if as_json:
        print_document(indented(answer))
        return
    console = wide_enough(Console())
    for table in answer_tables(answer):
        console.print(table)
    if plot is not None:
        click.echo(f"Picture: {plot}")


def _problem(model: str, values: Mapping[str, str]) -> "ModelProblem":
    from pydantic import ValidationError

    from fairslice.errors import Fault, InputError
    from fairslice.files.pydantic_faults import dotted, faults_of
    from fairslice.models.answers import problem_class

    try:
        return problem_class(model).model_validate(values)
    except ValidationError as error:
        raise InputError(
            Fault(f"{dotted(one.path[1:], '--' + str(one.path[0]).replace('_', '-'))}: {one.message}")
            if one.path
            else Fault(one.message)
            for one in faults_of(error)
        ) from None


def _draw(model: str, problem: "ModelProblem", answer: Mapping[str, Any], plot: Path) -> None:
    import importlib

    from fairslice.cli.picture_file import quiet_matplotlib, write_picture

    quiet_matplotlib()
    drawn = importlib.import_module(PICTURES[model]).draw(problem, answer)
    write_picture(plot, f"{drawn}\n".encode())
