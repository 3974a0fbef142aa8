"""Options that several commands share."""

import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from fairslice.topology.network import Network
    from fairslice.topology.options import NetworkOptions

TOPOLOGY = "FILE[:NAME[,ARGS]]"
ANSWER_TIMEOUT_S = 30.0
"""How long a controller is waited for, for one answer."""
Command = TypeVar("Command", bound=Callable[..., Any])
Value = TypeVar("Value")


class OneNamed(click.Option):
    """An option that is told under one name, and still read under those that it had formerly.

    Args:
        formerly: names of old, which neither help, nor errors, nor completion show.
    """

    def __init__(self, *args: Any, formerly: Sequence[str] = (), **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.formerly = tuple(formerly)

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Have all names read. The parser's type has another name from version to version of click."""
        super().add_to_parser(parser, ctx)
        action = "append" if self.multiple else "store"
        parser.add_option(obj=self, opts=list(self.formerly), dest=self.name, action=action, nargs=self.nargs)


def examples(*pairs: tuple[str, str]) -> str:
    """The end of a command's help: what one may want, and the command line that does it, in a clone.

    A test reads every command line, and runs those that need neither root nor a switch.
    """
    shown = (f"  {wish}:\n    {line.replace(chr(10), chr(10) + '      ')}" for wish, line in pairs)
    return "\n\n".join("\b\n" + text for text in ("Examples, in a clone:", *shown))


class NumberRange(click.FloatRange):
    """A number in a range; "nan", which compares with nothing, is in none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number; a usage error if it is not one, or out of the range."""
        try:
            float(value)
        except (TypeError, ValueError):
            unit = (getattr(param, "metavar", None) or "").lower()
            expected = f"a number of {unit}, such as 5" if unit else "a number"
            self.fail(f"{value!r} is not a number; expected {expected}", param, ctx)
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is not in the range {self._describe_range()}.", param, ctx)
        return number


def controller_url(command: Command) -> Command:
    """``--controller URL`` as ``url``."""
    return click.option(
        "--controller",
        "url",
        default="http://127.0.0.1:8080",
        show_default=True,
        metavar="URL",
        help="Where the controller's REST interface is; HOST or HOST:PORT will do.",
    )(command)


def answer_timeout(command: Command) -> Command:
    """``--timeout SECONDS`` as ``timeout``, of commands that ask a controller."""
    return click.option(
        "--timeout",
        default=ANSWER_TIMEOUT_S,
        show_default=True,
        type=NumberRange(0.1, 3600),
        metavar="SECONDS",
        help="How long to wait for each of the controller's answers.",
    )(command)


def topology_option(
    *, required: bool, help: str = "The network: see `fairslice topology --help`."
) -> Callable[[Command], Command]:
    """``--topology FILE[:NAME[,ARGS]]`` as ``topology``."""
    return click.option(
        "--topology",
        cls=OneNamed,
        formerly=("--network",),
        required=required,
        metavar=TOPOLOGY,
        shell_complete=_files,
        help=help,
    )


def topology_argument(command: Command) -> Command:
    """The same as the argument ``spec``."""
    return click.argument("spec", metavar=TOPOLOGY, shell_complete=_files)(command)


def _files(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def policy_file(*, required: bool = True) -> Callable[[Command], Command]:
    """A policy's file, the argument POLICY, as ``policy``. ``--policy FILE``, its former name, is read too.

    Where the command has arguments of its own behind it, and the option is given, they move up: below this
    decorator, so that they are read after it.
    """

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def with_policy(
            *arguments: Any, policy: Path | None, policy_option: Path | None, **others: Any
        ) -> Any:
            context = click.get_current_context()
            if policy is not None and policy_option is not None:
                behind = [p.name for p in context.command.params if isinstance(p, click.Argument)][1:]
                if not behind or others[str(behind[0])] is not None:
                    raise click.UsageError(
                        f"found a policy twice, {policy} and --policy {policy_option}; expected it once",
                        context,
                    )
                others[str(behind[0])] = str(policy)
            chosen = policy if policy_option is None else policy_option
            if chosen is None and required:
                raise click.UsageError("Missing argument 'POLICY': the file of a policy.", context)
            return command(*arguments, policy=chosen, **others)

        path = click.Path(path_type=Path)
        option = click.option("--policy", "policy_option", metavar="FILE", type=path, hidden=True)
        shown = "POLICY" if required else "[POLICY]"
        argument = click.argument("policy", required=False, metavar=shown, type=path)
        return argument(option(with_policy))  # type: ignore[return-value]

    return decorate


def network_options(command: Command) -> Command:
    """What may be asked of a network, for every command that takes one.

    ``--bandwidth`` as ``bandwidth_bps``, the rest as ``options``: a NetworkOptions. They are read when the
    command runs, and not before, since ``--json`` keeps the output of what is imported then; so it stands
    above.
    """

    @functools.wraps(command)
    def with_options(
        *arguments: Any,
        bandwidth: str | None,
        hosts_per_switch: Any,
        parallel_cables: Any,
        largest_part: Any,
        scaling: str | None,
        **others: Any,
    ) -> Any:
        from fairslice.topology.options import NetworkOptions, parse_bandwidth, parse_scaling

        bandwidth_bps = _read("--bandwidth", parse_bandwidth, bandwidth)
        scaled = _read("--scale-bandwidth", parse_scaling, scaling)
        options = NetworkOptions(hosts_per_switch, parallel_cables, largest_part, scaled)
        return command(*arguments, bandwidth_bps=bandwidth_bps, options=options, **others)

    for option in (
        click.option(
            "--scale-bandwidth",
            "scaling",
            metavar="FACTOR|RATE",
            help="Multiply every capacity by a factor such as 1/1000, or so that the fastest cable between"
            " switches carries a rate such as '100 Mbit/s'.",
        ),
        click.option(
            "--largest-part",
            is_flag=True,
            help="Take the largest part of a GraphML or SNDlib network that is in several parts.",
        ),
        click.option(
            "--parallel-cables",
            type=click.Choice(["merge", "refuse"]),
            help="Cables of a GraphML or SNDlib file that join the same nodes: make one of them, with all"
            " their capacities together (merge, the default), or refuse the file.",
        ),
        click.option(
            "--hosts-per-switch",
            type=click.IntRange(1, 1000),
            metavar="N",
            help="Number of hosts at each node of a GraphML or SNDlib file, which has none itself; 1 if it is"
            " not given.",
        ),
        click.option(
            "--bandwidth",
            metavar="RATE",
            help="Capacity of every cable for which the topology gives none: a number in Mbit/s such as 100,"
            " or a rate such as '1 Gbit/s'.",
        ),
    ):
        option(with_options)
    return with_options  # type: ignore[return-value]


def _read(option: str, parse: Callable[[str], Value], text: str | None) -> Value | None:
    try:
        return None if text is None else parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error), click.get_current_context(), param_hint=f"'{option}'") from None


def load_topology(
    spec: str,
    *,
    bandwidth_bps: float | None = None,
    options: "NetworkOptions | None" = None,
) -> "Network":
    """The network of a topology, with what the shared options ask for.

    What may not be as the topology means it is told on standard error.
    """
    from fairslice.topology.load import load_network

    network = load_network(spec, bandwidth_bps=bandwidth_bps, options=options)
    # Whatever has hosts may stand for a network, where that is all that is asked.
    for note in getattr(network, "notes", ()):
        click.echo(note, err=True)
    return network


def json_output(
    *,
    help: str = "Print one JSON document, and nothing else, on standard output.",
    when: Callable[[dict[str, Any]], bool] = lambda _values: False,
) -> Callable[[Command], Command]:
    """``--json`` as ``as_json``; with it the command prints one document, with ``output.print_document``.

    Args:
        help: of the option.
        when: whether a command, by its parameters, prints a document without ``--json``.
    """

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def keeping(*args: Any, **values: Any) -> Any:
            if not (values["as_json"] or when(values)):
                return command(*args, **values)
            from fairslice.cli.output import kept_output

            with kept_output():
                return command(*args, **values)

        return click.option("--json", "as_json", is_flag=True, help=help)(cast(Command, keeping))

    return decorate
