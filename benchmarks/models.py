"""How fast the models are, beside SimPy on the same work: schedulers, queues and buckets; prints tables."""

import click
import models_buckets
import models_queues
import models_schedulers
from rich.console import Console

FEWER = 100
"""With --quick, to see that it works."""


@click.command()
@click.option("--quick", is_flag=True, help="A hundredth of the packets, to see that it works.")
def main(quick: bool) -> None:
    """Time what has a limit: a million packets or customers through each."""
    fewer = FEWER if quick else 1
    rows = models_schedulers.schedulers(
        models_schedulers.PACKETS // fewer,
        models_schedulers.BESIDE_SIMPY // fewer,
        models_schedulers.EXACT // fewer,
    )
    Console().print(models_schedulers.show(rows))
    models_queues.show(1_000_000 // fewer)
    models_buckets.buckets(models_buckets.PACKETS // fewer)


if __name__ == "__main__":
    main()
