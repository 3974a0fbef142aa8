"""What a policy may ask of a plan, but not yet of switches."""

from fairslice.errors import Fault, InputError
from fairslice.policy.model import Policy


def require_enforceable(policy: Policy, who: str) -> None:
    """Refuse what can be planned and explained only.

    Args:
        policy: any policy.
        who: what was to enforce it, for the message: "`run`".

    Raises:
        InputError: slices whose flows may use several paths, at their ``paths`` key.
    """
    several = {one.paths_location or one.location: one.paths for one in policy.slices if one.paths > 1}
    if several:
        raise InputError(
            Fault(
                f"paths: {paths}: several paths are planned and explained, but not yet enforced; "
                f"{who} needs paths: 1",
                location,
            )
            for location, paths in sorted(several.items())
        )
