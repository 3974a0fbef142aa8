"""How often Python looks for circles among its values (``gc``): the one place where that is set.

A large policy is a million values that stay and have no circles. To look through them again and again, as
often as Python does, takes a third of the time that it takes to make them; as :attr:`Searches.SELDOM` has it,
a tenth. `fairslice check` and `plan` of 10,000 flows take no more memory without any search.
"""

import gc
from enum import Enum


class Searches(Enum):
    """How many values come before Python looks for circles among them (``gc.set_threshold``)."""

    SELDOM = (20_000, 10, 50)
    """For a command that goes on, or waits: what has circles is found in the end."""
    NEVER = (0, 10, 10)
    """For a command that makes values, prints what they say and ends."""
    SMALL = (2_000, 10, 1_000_000)
    """For a process whose threads wait for each search: seldom enough, in small steps, and never through all
    that there is, which takes 0.09 s with 10,000 flows."""


def search(searches: Searches) -> None:
    """Look for circles so often from now on."""
    gc.set_threshold(*searches.value)


def leave_out_what_is_there() -> None:
    """What is there by now stays, and is not looked through again."""
    gc.freeze()
