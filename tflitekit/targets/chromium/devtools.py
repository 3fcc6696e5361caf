"""A headless Chromium, driven through the DevTools protocol over a pair of pipes: no port is open, and the browser ends with this process.

The protocol: https://chromedevtools.github.io/devtools-protocol. With ``--remote-debugging-pipe`` the browser reads messages from
file descriptor 3 and writes answers to 4, each JSON and a zero byte.
"""

from __future__ import annotations

import fcntl
import json
import os
import selectors
import signal
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from tflitekit.core.errors import MissingDependencyError
from tflitekit.core.lifetime import scratch

__all__ = ["Chromium", "Crashed", "Refused"]

PATIENCE_S = 600.0
"""How long an answer may take, beyond what was asked to take time."""

_START_S = 60.0
_END_S = 5.0
_STEP_S = 0.2
_FIRST_FREE = 10
_MOST_WORDS = 1000
_FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    # Nothing but this machine: no name is looked up, and nothing is asked for in the background.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-pings",
    "--metrics-recording-only",
    "--disable-breakpad",
    "--disable-extensions",
    "--password-store=basic",
    "--use-mock-keychain",
    # Several pages are open at once and take turns: none of them is slowed down for being in the background.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-dev-shm-usage",
)


class Refused(Exception):
    """The browser, or a function in the page, answers with an error; its text is what it says."""


class Crashed(Exception):
    """The page or the browser has ended, or answers no more; its text is the end of a sentence about it."""


class Chromium:
    """A running browser with a profile of its own, which is removed with it.

    Args:
        program: What to start.
        flags: On top of those that the kit gives.
        patience_s: How long an answer may take, beyond what was asked to take time.

    Attributes:
        version: As the browser names itself: 'Chrome/156.0.8078.108'.

    Raises:
        MissingDependencyError: It does not start; with its last words.
    """

    def __init__(self, program: Path, *, flags: Sequence[str] = (), patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._count, self._buffer = 0, b""
        self._crashed: set[str] = set()
        self._words: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=_MOST_WORDS))
        self._folder = tempfile.TemporaryDirectory(dir=scratch(), prefix="browser-", ignore_cleanup_errors=True)
        self._log = Path(self._folder.name) / "log"
        # Chromium refuses to start for root unless its sandbox is off.
        sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()
        profile = f"--user-data-dir={self._folder.name}"
        command = [str(program), *_FLAGS, *sandbox, *flags, profile, "about:blank"]
        self._pid, self._to, self._from = _start(command, self._folder.name, self._log)
        self._answers = selectors.DefaultSelector()
        self._answers.register(self._from, selectors.EVENT_READ)
        try:
            self.version = str(self.call("Browser.getVersion", seconds=_START_S - patience_s)["product"])
        except BaseException as error:
            words = self._log.read_text(errors="replace").strip()[-1000:]
            self.close()
            if isinstance(error, Crashed | Refused):
                raise MissingDependencyError(
                    f"{program} does not start as a headless browser: it {error}.",
                    why=words or "It said nothing.",
                    fix="Try it in a terminal with --headless, and update it.",
                ) from error
            raise

    def call(self, method: str, session: str | None = None, *, seconds: float = 0, **parameters: Any) -> dict[str, Any]:
        """Calls a method of the protocol and waits for its result.

        Args:
            session: The page's; the browser's own methods have none.
            seconds: What was asked to take so long, besides the usual time.

        Raises:
            Refused: The browser says that it cannot.
            Crashed: The page or the browser has ended, or there is no answer.
        """
        self._count += 1
        number = self._count
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        deadline = time.monotonic() + seconds + self._patience_s
        try:
            os.write(self._to, json.dumps(message).encode() + b"\0")
        except OSError as error:
            raise self._ended() from error
        while True:
            if session in self._crashed:
                raise Crashed("has crashed")
            answer = self._receive(deadline)
            if answer.get("id") == number:
                break
            self._notice(answer)
        if "error" in answer:
            raise Refused(str(answer["error"].get("message", answer["error"])))
        result: dict[str, Any] = answer["result"]
        return result

    def words(self, session: str) -> list[str]:
        """Returns the last lines that a page wrote to its console."""
        return list(self._words[session])

    def processes(self) -> list[int]:
        """Returns the processes of pages."""
        found = self.call("SystemInfo.getProcessInfo")["processInfo"]
        return [process["id"] for process in found if process["type"] == "renderer"]

    def close(self) -> None:
        """Ends the browser and removes its profile."""
        self._answers.close()
        for descriptor in (self._to, self._from):
            with suppress(OSError):
                os.close(descriptor)  # at the end of its pipe the browser ends by itself
        with suppress(psutil.Error):
            process = psutil.Process(self._pid)
            with suppress(psutil.TimeoutExpired):
                process.wait(_END_S)
        with suppress(OSError):
            os.killpg(self._pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)
        self._folder.cleanup()

    def _receive(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if time.monotonic() > deadline:
                raise Crashed("does not answer any more")
            if not self._answers.select(_STEP_S):  # in short steps, so that Ctrl-C arrives
                continue
            part = os.read(self._from, 1 << 20)
            if not part:
                raise self._ended()
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def _notice(self, event: dict[str, Any]) -> None:
        """Keeps what an event says: that a page crashed, or what it wrote to its console."""
        session, parameters = event.get("sessionId", ""), event.get("params", {})
        if event.get("method") == "Inspector.targetCrashed":
            self._crashed.add(session)
        elif event.get("method") == "Runtime.consoleAPICalled":
            parts = (str(part.get("value", part.get("description", ""))) for part in parameters["args"])
            self._words[session].append(" ".join(parts))

    def _ended(self) -> Crashed:
        return Crashed("has ended with its browser")


def _start(command: list[str], folder: str, log: Path) -> tuple[int, int, int]:
    """Starts the browser; returns its process, and the ends of the pipes to write to and to read from."""
    theirs_read, ours_write = os.pipe()
    ours_read, theirs_write = os.pipe()
    given = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE) for one in (theirs_read, theirs_write)]
    output = os.open(log, os.O_WRONLY | os.O_CREAT, 0o600)
    actions = [
        (os.POSIX_SPAWN_DUP2, given[0], 3),
        (os.POSIX_SPAWN_DUP2, given[1], 4),
        (os.POSIX_SPAWN_DUP2, output, 1),
        (os.POSIX_SPAWN_DUP2, output, 2),
    ]
    own = dict.fromkeys(("TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), folder)
    try:
        # A group of its own, so that Ctrl-C in the terminal reaches the kit, which then ends the browser.
        pid = os.posix_spawn(command[0], command, os.environ | own, file_actions=actions, setpgroup=0)
    except OSError as error:
        os.close(ours_write)
        os.close(ours_read)
        raise MissingDependencyError(f"{command[0]} cannot be started: {error.strerror}.") from error
    finally:
        for descriptor in (theirs_read, theirs_write, *given, output):
            os.close(descriptor)
    return pid, ours_write, ours_read
