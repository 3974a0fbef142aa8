"""``fairslice demo``: the live demos of the course, each a story with numbers at its end."""

from pathlib import Path

import click

from fairslice.cli.options import examples

DEMOS = ("mm1", "pareto", "token-bucket", "water-filling", "wfq")
"""Each is a module of ``fairslice.cli.demos``, with ``_`` for ``-``."""
DIRECTORY = Path("out")


@click.command(
    short_help="Tell a piece of theory as a short story, in the terminal.",
    epilog=examples(
        ("What a token bucket passes, drops and delays", "fairslice demo token-bucket"),
        ("How water-filling finds fair rates", "fairslice demo water-filling"),
        ("A call beside a download, with weighted fair queueing", "fairslice demo wfq"),
        ("Why packets wait for a link that is not full", "fairslice demo mm1"),
        ("The same in plain lines, at once", "fairslice demo water-filling --no-animation"),
    ),
)
@click.argument("name", type=click.Choice(DEMOS))
@click.option("--no-animation", is_flag=True, help="Plain lines, at once, as in a pipe.")
@click.option(
    "--seed",
    metavar="N",
    type=click.IntRange(0, 2**32 - 1),
    default=1,
    show_default=True,
    help="Of all randomness: the same seed tells the same story.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.svg",
    help="Where the picture is drawn; out/demo-NAME.svg if it is not given.",
)
def command(name: str, no_animation: bool, seed: int, plot: Path | None) -> None:
    """Tell the demo NAME: ten to thirty seconds, without root and without a network.

    It ends with what came out, beside what the formula says, and with a picture. Where the extra "report" is
    not installed nothing is drawn.
    """
    import importlib

    from rich.console import Console

    from fairslice.cli.demos.stage import Stage
    from fairslice.cli.extras import installed
    from fairslice.cli.picture_file import check_picture
    from fairslice.errors import writing

    told = importlib.import_module(f"fairslice.cli.demos.{name.replace('-', '_')}")
    if plot is None and installed("report"):
        plot = DIRECTORY / f"demo-{name}.svg"
        with writing(DIRECTORY):
            DIRECTORY.mkdir(exist_ok=True)
    if plot is not None:
        check_picture(plot, "--plot", (".svg",))
    console = Console(highlight=False)
    told.tell(Stage(console, moving=console.is_terminal and not no_animation, seed=seed, picture=plot))
