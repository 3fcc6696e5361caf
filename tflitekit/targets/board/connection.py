"""The system's own ssh client: keys, configuration and known hosts are the user's; one connection serves all calls."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tflitekit.core.errors import DeviceError, MissingDependencyError, UsageError
from tflitekit.core.lifetime import scratch
from tflitekit.core.process.ending import end_process

__all__ = ["AGENT", "Address", "Connection", "find_client"]

AGENT = Path(__file__).parent / "agent.py"

_READY = "tflitekit-is-here"
_CALL_S = 120.0
_LAST_WORDS = 10_000
"""More than the client says of a changed key, in which paths stand several times."""
_SHOWN_WORDS = 1000
_CUT_CODE = 255
"""The exit code of the client where not the command but the connection ended."""
_OPTIONS = {
    "BatchMode": "yes",  # nobody is there to type a password
    "ConnectTimeout": "20",
    "ServerAliveInterval": "10",
    "ServerAliveCountMax": "3",
}


@dataclass(frozen=True)
class Address:
    """Where a board is: ``USER@HOST``, ``HOST`` as the user's configuration has it, and a port where it is not the usual one."""

    destination: str
    port: str | None = None

    @classmethod
    def parse(cls, text: str) -> Address:
        """Reads what follows ``ssh:``.

        Raises:
            UsageError: It is no address.
        """
        found = re.fullmatch(
            r"((?:[^@\s:/-][^@\s:/]*@)?(?:\[[0-9A-Fa-f:.%\w]+\]|[^@\s:/\[\]-][^@\s:/\[\]]*))(?::(\d{1,5}))?", text
        )
        if found is None:
            raise UsageError(
                f"There is no target 'ssh:{text}'.",
                fix="Write ssh:USER@HOST or ssh:USER@HOST:PORT, as in ssh:pi@192.168.1.7.",
            )
        return cls(found[1].replace("[", "").replace("]", ""), found[2])

    @property
    def options(self) -> list[str]:
        return [] if self.port is None else ["-p", self.port]

    @property
    def by_hand(self) -> str:
        """The command by which users log in themselves."""
        return shlex.join(["ssh", *self.options, self.destination])


def find_client() -> list[str]:
    """Returns the ssh client and options for it, with its path.

    ``TFLITEKIT_SSH`` may hold another client, or options for it, as ``GIT_SSH_COMMAND`` does for Git.

    Raises:
        MissingDependencyError: There is none.
    """
    if sys.platform == "win32":
        raise MissingDependencyError(
            "The target 'ssh' needs a client that shares one connection, which that of Windows does not.",
            fix="Run the kit in the Windows Subsystem for Linux.",
        )
    name, *options = shlex.split(os.environ.get("TFLITEKIT_SSH", "ssh")) or [""]
    program = shutil.which(name)
    if program is None:
        raise MissingDependencyError(
            f"The target 'ssh' needs the ssh client, and there is no '{name}'.",
            fix="Install OpenSSH (Debian: apt-get install openssh-client).",
        )
    return [program, *options]


class Connection:
    """An open connection.

    Raises:
        MissingDependencyError: There is no ssh client.
        DeviceError: The board cannot be reached, or lets nobody in; the message says what to do.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        client = find_client()
        # The path of a socket may have about 100 characters.
        self._folder = tempfile.TemporaryDirectory(
            prefix="ssh-", dir=scratch(Path("/tmp") if os.name == "posix" else None)
        )
        options = {**_OPTIONS, "ControlPath": f"{self._folder.name}/s"}
        self._client = [*client, "-T", *(f"-o{name}={value}" for name, value in options.items()), *address.options]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the connection
        # Its standard input ends with this process, however that ends, and so does the connection.
        self._master = self._start("-oControlMaster=yes", f"echo {_READY}; exec cat > /dev/null", log=self._log)
        self._begin()

    def _begin(self) -> None:
        """Waits for the first answer."""
        assert self._master.stdout is not None
        noise = []
        for line in self._master.stdout:
            if line.strip() == _READY.encode():
                break
            noise.append(line.decode(errors="replace").strip())
        else:
            self._master.wait()
            words = self._words(self._log)
            self.close()
            raise self.failure(words)
        if any(noise):
            self.close()
            raise DeviceError(
                f"The shell of {self.address.destination} prints something before each command, where answers are expected.",
                why=f"It printed: {' '.join(noise)[:200]}",
                fix="Let its start-up files (such as ~/.bashrc there) print in interactive shells only.",
            )

    def _start(self, *arguments: str, log: IO[bytes] | int) -> subprocess.Popen[bytes]:
        *options, command = arguments
        return subprocess.Popen(
            [*self._client, *options, "--", self.address.destination, command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
        )  # fmt: skip

    def command(self, words: Sequence[str]) -> list[str]:
        """Returns the command here that runs one there, whatever the user's shell there is."""
        return [*self._client, "--", self.address.destination, f"exec sh -c {shlex.quote(shlex.join(words))}"]

    def shell(self, script: str) -> str:
        """Runs a script of the shell there; returns what it printed.

        Raises:
            DeviceError: The connection was cut, or nothing comes back.
        """
        try:
            done = subprocess.run(
                self.command(["sh", "-c", script]),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_CALL_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise DeviceError(
                f"{self.address.destination} has not answered for {_CALL_S:g} s.",
                fix="See what keeps it busy, or restart it, then run the same command again.",
            ) from error
        if done.returncode == _CUT_CODE:
            raise self.failure(done.stderr.decode(errors="replace"))
        return done.stdout.decode(errors="replace")

    def call(
        self, python: str, *arguments: str, send: Callable[[int], IO[bytes] | None] = lambda have: None
    ) -> dict[str, Any]:
        """Calls the agent there.

        Args:
            python: The Python there.
            arguments: The agent's action, and what it takes.
            send: Returns what to send, from where the agent has it.

        Returns:
            The last thing that it says.

        Raises:
            DeviceError: The connection was cut, or the agent failed.
        """
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(
                self.command([python, "-B", "-s", "-c", AGENT.read_text(encoding="utf-8"), *arguments]),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
            with process:
                assert process.stdin is not None
                assert process.stdout is not None
                told = _parsed(process.stdout.readline())
                if "have" in told:
                    source = send(int(told["have"]))
                    with suppress(BrokenPipeError):
                        if source is not None:
                            shutil.copyfileobj(source, process.stdin, 1 << 20)
                        process.stdin.close()
                    told = _parsed(process.stdout.readline())
                with suppress(BrokenPipeError):
                    process.stdin.close()
            words = self._words(log)
        if not told:
            if process.returncode == _CUT_CODE:
                raise self.failure(words)
            raise DeviceError(
                f"{self.address.destination} did not do what was asked.",
                why=words[-_SHOWN_WORDS:] or "It said nothing.",
            )
        return told

    def failure(self, words: str) -> DeviceError:
        """Returns what the client's last words mean, and what to do."""
        place = self.address.destination
        for pattern, what, fix in _FAILURES:
            if re.search(pattern, words):
                return DeviceError(
                    what.format(place=place), why=_reason(words), fix=fix.format(hand=self.address.by_hand)
                )
        return DeviceError(f"The connection to {place} was cut.", why=_reason(words), fix=_AGAIN)

    def _words(self, log: IO[bytes]) -> str:
        log.seek(0)
        return log.read().decode(errors="replace")[-_LAST_WORDS:].strip()

    @property
    def alive(self) -> bool:
        return self._master.poll() is None

    def close(self) -> None:
        """Ends the connection."""
        end_process(self._master)
        self._log.close()
        self._folder.cleanup()


_AGAIN = "See that the board is on and in the network, then run the same command again: what was sent or finished is not done again."
_FAILURES = (
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "{place} is not the machine that it was: its host key has changed.",
        "If you know why (a new system on the board), remove the old key with 'ssh-keygen -R HOST' and log in once by hand: {hand}. "
        "If not, somebody may stand in between.",
    ),
    (
        "Host key verification failed",
        "The host key of {place} is not known here.",
        "Log in once by hand, compare the fingerprint and accept the key: {hand}",
    ),
    (
        "Permission denied|Too many authentication failures",
        "{place} does not let you in without a password.",
        "Install your key there, and load it into the agent where it has a passphrase: ssh-copy-id (as in 'ssh-copy-id USER@HOST'), "
        "ssh-add. This must log in without a question: {hand}",
    ),
    (
        "Could not resolve hostname",
        "The name of the host in '{place}' is not known.",
        "Check the name, or give its address: {hand}",
    ),
    (
        "Connection refused|timed out|No route to host|Network is unreachable",
        "{place} cannot be reached.",
        "See that the board is on, in the network, and that its ssh server runs. This must log in: {hand}",
    ),
)
"""What the client says, the sentence for it, and what to do."""


def _reason(words: str) -> str | None:
    lines = [line.strip() for line in words.splitlines() if line.strip(" @\r")]
    return "\n".join(lines[-3:]) or None


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
