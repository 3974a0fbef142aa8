"""Options that several commands share."""

import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

if TYPE_CHECKING:
    from fairslice.topology.network import Network
    from fairslice.topology.options import NetworkOptions

Command = TypeVar("Command", bound=Callable[..., Any])
Value = TypeVar("Value")


class NumberRange(click.FloatRange):
    """A number in a range; "nan", which compares with nothing, is in none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number; a usage error if it is none, or out of the range."""
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
        help="REST address of the controller.",
    )(command)


def policy_file(command: Command) -> Command:
    """A policy's file as ``policy``: the argument POLICY, or ``--policy FILE``.

    Where the command has arguments of its own behind it, and the option is given, they move up: below this
    decorator, so that they are read after it.
    """

    @functools.wraps(command)
    def with_policy(*arguments: Any, policy: Path | None, policy_option: Path | None, **others: Any) -> Any:
        context = click.get_current_context()
        if policy is not None and policy_option is not None:
            behind = [p.name for p in context.command.params if isinstance(p, click.Argument)][1:]
            if not behind or others[str(behind[0])] is not None:
                raise click.UsageError(
                    f"found a policy twice, {policy} and --policy {policy_option}; expected it once", context
                )
            others[str(behind[0])] = str(policy)
        chosen = policy if policy_option is None else policy_option
        if chosen is None:
            raise click.UsageError("Missing argument 'POLICY', or option '--policy'.", context)
        return command(*arguments, policy=chosen, **others)

    option = click.option(
        "--policy",
        "policy_option",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="The policy; the same as POLICY.",
    )
    argument = click.argument("policy", required=False, metavar="POLICY", type=click.Path(path_type=Path))
    return argument(option(with_policy))  # type: ignore[return-value]


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
            help="Every capacity times a factor such as 1/1000, or so that the fastest cable between switches"
            " carries a rate such as '100 Mbit/s'.",
        ),
        click.option(
            "--largest-part",
            is_flag=True,
            help="Of a GraphML or SNDlib file whose network is in several parts, take the largest.",
        ),
        click.option(
            "--parallel-cables",
            type=click.Choice(["merge", "refuse"]),
            help="Cables of GraphML and SNDlib files that join the same nodes: one of all their capacities"
            " together (merge, the default), or a fault.",
        ),
        click.option(
            "--hosts-per-switch",
            type=click.IntRange(1, 1000),
            metavar="N",
            help="Hosts at each node of GraphML and SNDlib files, which have none; 1 if it is not said.",
        ),
        click.option(
            "--bandwidth",
            metavar="RATE",
            help="Capacity of cables that have none in the topology: 100 (Mbit/s), or '1 Gbit/s'.",
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
    quiet: bool = False,
) -> "Network":
    """The network of a topology, with what the shared options ask for.

    What may not be as the topology means it is told on standard error, unless ``quiet``.
    """
    from fairslice.topology.load import load_network

    network = load_network(spec, bandwidth_bps=bandwidth_bps, options=options)
    # Whatever has hosts may stand for a network, where that is all that is asked.
    for note in () if quiet else getattr(network, "notes", ()):
        click.echo(note, err=True)
    return network


def json_output(
    *,
    help: str = "Print machine-readable output and nothing else.",
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
