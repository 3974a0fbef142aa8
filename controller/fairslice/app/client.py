"""The other end of the controller's REST interface."""

import time
from collections.abc import Callable
from typing import TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from fairslice.alloc.view import AllocationView
from fairslice.app.api import ProbesView, ProbeView, ProblemView, StatusView, raise_problem
from fairslice.app.counters import Counters
from fairslice.errors import InputError, MachineError

DEFAULT_URL = "http://127.0.0.1:8080"

Answer = TypeVar("Answer", bound=BaseModel)


class ControllerClient:
    """Talks to one controller.

    Args:
        url: such as ``http://127.0.0.1:8080``.

    Every method raises MachineError if the controller can't be reached or answers what it should not, and the
    controller's own InputError or InfeasibleError if it refuses.
    """

    def __init__(self, url: str = DEFAULT_URL, timeout_s: float = 30.0) -> None:
        self._url = url
        # An emulation's network has no way out: a proxy of the machine's environment is not meant for it.
        try:
            self._http = httpx.Client(base_url=url, timeout=timeout_s, trust_env=False)
        except httpx.InvalidURL as error:
            raise InputError(
                f"{url!r} is no address of a controller: {error}; expected one such as {DEFAULT_URL}"
            ) from error

    def status(self) -> StatusView:
        """Where the controller stands."""
        return self._call("GET", "/v1/status", StatusView)

    def allocation(self) -> AllocationView:
        """The rates in force."""
        return self._call("GET", "/v1/allocation", AllocationView)

    def counters(self) -> Counters:
        """Counters of all switches, read now."""
        return self._call("GET", "/v1/counters", Counters)

    def apply_policy(self, text: str, file: str) -> StatusView:
        """Apply the policy in ``text``; ``file`` names it in messages."""
        return self._call("PUT", "/v1/policy", StatusView, content=text, params={"file": file})

    def set_probes(self, probes: tuple[ProbeView, ...]) -> StatusView:
        """Count packets apart."""
        return self._call(
            "PUT", "/v1/probes", StatusView, content=ProbesView(probes=probes).model_dump_json()
        )

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
        while clock() < deadline:
            if not alive():
                raise MachineError("the controller ended before its policy was in force; its log says why")
            try:
                latest = self.status()
            except MachineError:
                pass
            else:
                progress(latest)
                if latest.in_force:
                    return latest
            sleep(0.1)
        if latest is None:
            raise MachineError(f"no controller answers at {self._url} within {timeout_s:g} s")
        waiting = [*latest.missing, *latest.problems] or ["the switches have not all answered"]
        raise MachineError(f"the policy is not in force after {timeout_s:g} s: " + "; ".join(waiting))

    def _call(
        self,
        method: str,
        path: str,
        answer: type[Answer],
        *,
        content: str | None = None,
        params: dict[str, str] | None = None,
    ) -> Answer:
        try:
            response = self._http.request(method, path, content=content, params=params)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise MachineError(f"no controller answers at {self._url}: {error}") from error
        try:
            if response.status_code in (400, 409):
                raise_problem(ProblemView.model_validate_json(response.content))
            if response.status_code != 200:
                raise MachineError(
                    f"the controller at {self._url} answered {response.status_code}: {response.text}"
                )
            return answer.model_validate_json(response.content)
        except ValidationError as error:
            raise MachineError(f"the controller at {self._url} answered something else: {error}") from error
