"""A page in the browser that holds one file: what `worker.js` offers, as Python."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.errors import MissingDependencyError, ModelError
from tflitekit.targets.chromium.devtools import Chromium, Crashed, Refused
from tflitekit.targets.chromium.loopback import Loopback

__all__ = ["Page", "PageTensor"]

_POLL_S = 0.02
_LOADING_S = 60.0
_ERROR = re.compile(r"ERROR: (?:\[[^]]*\] )?(.*[^:])", re.DOTALL)
"""How the runtime writes to the console what went wrong."""


@dataclass(frozen=True)
class PageTensor:
    """An input or output as the web runtime describes it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    size: int


class Page:
    """A page with nothing in it but the worker, in a process of its own.

    Args:
        name: What runs there, as the subject of sentences: the file, or the runtime.
    """

    def __init__(self, chromium: Chromium, server: Loopback, *, name: str) -> None:
        self._chromium, self._server, self._name = chromium, server, name
        self._context = chromium.call("Target.createBrowserContext", disposeOnDetach=True)["browserContextId"]
        try:
            address = f"{server.address}page/index.html"
            target = chromium.call("Target.createTarget", url=address, browserContextId=self._context)["targetId"]
            self._session = str(chromium.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
            for domain in ("Runtime", "Inspector"):
                chromium.call(f"{domain}.enable", self._session)
            self._wait(address)
        except BaseException:
            self.close()
            raise

    def _wait(self, address: str) -> None:
        """Waits until the worker is there; at first a new page is an empty one."""
        deadline = time.monotonic() + _LOADING_S
        state = f"location.href === {json.dumps(address)} && document.readyState === 'complete' ? typeof kit : ''"
        found = ""
        while found != "object":
            if found == "undefined" or time.monotonic() > deadline:
                raise MissingDependencyError(
                    "The page could not load the web runtime.",
                    why="; ".join(self._chromium.words(self._session)) or None,
                    fix="Run 'tflitekit setup browser' again.",
                )
            time.sleep(_POLL_S)
            with suppress(Refused):  # while the one page makes way for the other
                found = self._ask(state, 0)["result"].get("value", "")

    def call(self, function: str, *arguments: Any, seconds: float = 0) -> Any:
        """Calls a function of the worker.

        Args:
            seconds: What it was asked to take.

        Raises:
            ModelError: It failed, or the page has crashed or hangs.
        """
        return self._evaluate(f"kit.{function}(...{json.dumps(arguments)})", seconds)

    def load(self, content: bytes) -> dict[str, Any]:
        """Loads a file; returns what it took, and the runtime's description of it."""
        address = self._server.offer(content)
        try:
            found: dict[str, Any] = self.call("load", address)
        finally:
            self._server.withdraw(address)
        for side in ("inputs", "outputs"):
            found[side] = [PageTensor(**tensor | {"shape": tuple(tensor["shape"])}) for tensor in found[side]]
        return found

    def send(self, function: str, columns: Sequence[NDArray[Any]], *arguments: Any) -> Any:
        """Calls a function with the address of the values of all inputs, one after the other."""
        address = self._server.offer(b"".join(np.ascontiguousarray(values).tobytes() for values in columns))
        try:
            return self.call(function, address, *arguments)
        finally:
            self._server.withdraw(address)

    def samples(
        self, columns: Sequence[NDArray[Any]], batches: int, outputs: Sequence[PageTensor], *, anew: bool
    ) -> list[NDArray[Any]]:
        """Computes batches; returns the values of each output, in the order of the runtime's ``outputs``."""
        address = self._server.reserve()
        self.send("samples", columns, address, batches, anew)
        content, found, start = self._server.take(address), [], 0
        for tensor in outputs:
            dtype = np.dtype(tensor.dtype).newbyteorder("<")
            values = np.frombuffer(content, dtype, tensor.size * batches, start)
            found.append(values.reshape(batches * tensor.shape[0], *tensor.shape[1:]) if tensor.shape else values)
            start += values.nbytes
        return found

    def collect_garbage(self) -> None:
        """Gives back what the page holds no more."""
        self._chromium.call("HeapProfiler.collectGarbage", self._session)

    def words(self) -> str:
        """Returns what the runtime has written to the console, the last lines of it."""
        return "\n".join(self._chromium.words(self._session))

    def close(self) -> None:
        """Closes the page and ends its process."""
        with suppress(Crashed, Refused):
            self._chromium.call("Target.disposeBrowserContext", browserContextId=self._context)

    def _evaluate(self, expression: str, seconds: float) -> Any:
        try:
            found = self._ask(expression, seconds)
        except Refused as error:
            raise ModelError(
                f"The page of {self._name} in the browser cannot be asked.", why=self._why(str(error))
            ) from error
        if "exceptionDetails" in found:
            said = _text(found["exceptionDetails"])
            raise ModelError(f"The web runtime cannot run {self._name}.", why=self._why(said))
        return found["result"].get("value")

    def _ask(self, expression: str, seconds: float) -> dict[str, Any]:
        try:
            return self._chromium.call(
                "Runtime.evaluate", self._session, seconds=seconds,
                expression=expression, awaitPromise=True, returnByValue=True,
            )  # fmt: skip
        except Crashed as error:
            raise ModelError(f"The page of {self._name} in the browser {error}.", why=self._why("")) from error

    def _why(self, said: str) -> str | None:
        """Returns what the page says, and what the runtime has written of errors."""
        lines = (_ERROR.fullmatch(line) for line in self._chromium.words(self._session))
        said = re.sub(r"^ERROR: \[[^]]*\] ?", "", said)  # the place in the runtime's source says nothing to users
        return "; ".join(filter(None, [said, *(line[1].strip() for line in lines if line)])) or None


def _text(details: dict[str, Any]) -> str:
    """Returns what an exception in the page says."""
    described = str(details.get("exception", {}).get("description") or details.get("text", ""))
    return described.splitlines()[0].removeprefix("Error: ") if described else "it threw something that is no error"
