"""The other end of the controller's REST interface."""

import re
import time
from collections.abc import Callable
from typing import Any, Self

try:
    import httpx
except ImportError as error:
    raise ImportError(
        'fairslice.api.client needs httpx, which the extra "controller" brings: pip install'
        " 'fairslice[controller]'",
        name=error.name,
    ) from error
from pydantic import BaseModel, ValidationError

from fairslice.api import routes
from fairslice.api.address import DEFAULT_URL, read_url
from fairslice.api.allocation import AllocationView
from fairslice.api.counters import Counters
from fairslice.api.network import NetworkView
from fairslice.api.routes import Answer, PolicyQuery, Route
from fairslice.api.status import ProbesView, ProbeView, ProblemView, StatusView, first_fault, raise_problem
from fairslice.errors import MachineError

_REFUSED = (400, 409, 413)
"""What another policy would cure (RFC 9110 §15.5)."""
_ERRNO = re.compile(r"^\[Errno -?\d+\] ")


class ControllerClient:
    """Talks to one controller; leaving its block ends the connection.

    Args:
        url: such as ``http://127.0.0.1:8080``, ``localhost:8080`` or ``localhost``; see
            :func:`fairslice.api.address.read_url`.

    Every method raises MachineError if the controller can't be reached or answers what it should not, and the
    controller's own InputError or InfeasibleError if it refuses.
    """

    def __init__(self, url: str = DEFAULT_URL, timeout_s: float = 30.0) -> None:
        self._url = url = read_url(url)
        # An emulation's network has no way out: a proxy of the machine's environment is not meant for it.
        self._http = httpx.Client(base_url=url, timeout=timeout_s, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def status(self) -> StatusView:
        """Where the controller stands."""
        return self._call(routes.STATUS)

    def network(self) -> NetworkView:
        """The network as it is now."""
        return self._call(routes.NETWORK)

    def allocation(self) -> AllocationView:
        """The rates in force."""
        return self._call(routes.ALLOCATION)

    def counters(self) -> Counters:
        """Counters of all switches, read now."""
        return self._call(routes.COUNTERS)

    def apply_policy(self, text: str, file: str) -> StatusView:
        """Apply the policy in ``text``; ``file`` names it in messages."""
        return self._call(routes.APPLY, content=text, query=PolicyQuery(file=file))

    def set_probes(self, probes: tuple[ProbeView, ...]) -> StatusView:
        """Count packets apart."""
        return self._call(routes.PROBES, content=ProbesView(probes=probes).model_dump_json())

    def wait_in_force(
        self,
        timeout_s: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        alive: Callable[[], bool] = lambda: True,
        progress: Callable[[StatusView], None] = lambda _: None,
    ) -> StatusView:
        """Wait until the controller's generation is in force.

        Raises:
            MachineError: it was not within ``timeout_s``, or the controller is not ``alive``.
        """
        deadline = clock() + timeout_s
        latest: StatusView | None = None
        failed: MachineError | None = None
        while clock() < deadline:
            if not alive():
                raise MachineError("the controller ended before its policy was in force; its log says why")
            try:
                latest, failed = self.status(), None
            except MachineError as error:
                failed = error
            else:
                progress(latest)
                if latest.in_force:
                    return latest
            sleep(0.1)
        if latest is None:
            raise MachineError(f"no controller answers at {self._url} within {timeout_s:g} s")
        if failed is not None:
            raise MachineError(f"the policy is not in force after {timeout_s:g} s, and {failed}")
        waiting = [*latest.missing, *latest.problems] or ["the switches have not all answered"]
        raise MachineError(f"the policy is not in force after {timeout_s:g} s: " + "; ".join(waiting))

    def _call(
        self, route: Route[Answer], *, content: str | None = None, query: BaseModel | None = None
    ) -> Answer:
        method, path = route.method, route.path
        params: dict[str, Any] = {} if query is None else query.model_dump(exclude_none=True)
        try:
            response = self._http.request(method, path, content=content, params=params)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            reason = _ERRNO.sub("", str(error)) or type(error).__name__
            raise MachineError(f"no controller answers at {self._url}: {reason}") from error
        if response.status_code == 200:
            try:
                return route.answer.model_validate_json(response.content)
            except ValidationError as error:
                raise MachineError(
                    f"what answers at {self._url} is not a controller of this version: its answer to {method}"
                    f" {path} {first_fault(error)}"
                ) from error
        try:
            problem = ProblemView.model_validate_json(response.content)
        except ValidationError as error:
            found = f"{response.status_code} {response.reason_phrase}".rstrip()
            hint = (
                "its log says why" if response.status_code >= 500 else "expected the address of a controller"
            )
            raise MachineError(f"{self._url} answered {method} {path} with {found}; {hint}") from error
        if response.status_code in _REFUSED:
            raise_problem(problem)
        reasons = "; ".join(fault.message for fault in problem.faults)
        raise MachineError(f"the controller at {self._url} can't do it now: {reasons}")
