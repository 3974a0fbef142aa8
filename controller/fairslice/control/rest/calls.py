"""Blocking calls from an event loop, each in a thread of its own."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

Result = TypeVar("Result")


class Calls:
    """Makes up to ``at_once`` calls; others wait for their turn.

    Threads of a pool would be waited for when the process ends, however long a call takes; these are daemons.
    """

    def __init__(self, at_once: int) -> None:
        self._free = asyncio.Semaphore(at_once)

    async def make(self, call: Callable[[], Result]) -> Result:
        """What ``call`` returns or raises. If this is cancelled, the call keeps its place until it ends."""
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Result] = loop.create_future()

        def tell(found: Result | None, error: Exception | None) -> None:
            self._free.release()
            if result.cancelled():
                return
            if error is None:
                result.set_result(found)  # type: ignore[arg-type]
            else:
                result.set_exception(error)

        def run() -> None:
            found: Result | None = None
            failed: Exception | None = None
            try:
                found = call()
            except Exception as error:  # noqa: BLE001  it is raised where it is waited for
                failed = error
            except BaseException as error:  # noqa: BLE001  raised there, it would end the loop
                failed = RuntimeError(f"the call ended with {error!r}")
                failed.__cause__ = error
            with suppress(RuntimeError):  # The loop has ended meanwhile.
                loop.call_soon_threadsafe(tell, found, failed)

        try:
            threading.Thread(target=run, name="rest-call", daemon=True).start()
        except BaseException:
            self._free.release()
            raise
        return await result
