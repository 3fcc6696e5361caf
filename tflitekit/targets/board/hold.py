"""Who uses a board: a run that measures is alone there, runs that only compute samples share it."""

from __future__ import annotations

import json
import subprocess
from contextlib import suppress
from datetime import datetime
from typing import Any

from tflitekit.core.errors import BusyError, DeviceError
from tflitekit.core.process.ending import end_process
from tflitekit.targets.board.connection import AGENT, Connection

__all__ = ["Hold"]


class Hold:
    """Taken as long as any file is open; the board gives it back by itself where the connection ends.

    Args:
        who: What others are told.
    """

    def __init__(self, connection: Connection, python: str, who: str) -> None:
        self._connection, self._python, self._who = connection, python, who
        self._process: subprocess.Popen[bytes] | None = None
        self._count = 0

    def take(self, how: str) -> None:
        """Takes it, or counts once more where this run has it.

        Args:
            how: 'alone' or 'shared', of the first file that is open; a run does not measure and compute samples at once.

        Raises:
            BusyError: Another run has it.
        """
        if self._count == 0:
            self._process = self._open(how)
        self._count += 1

    def _open(self, how: str) -> subprocess.Popen[bytes]:
        words = f"{self._who}, since {datetime.now().astimezone():%H:%M}"
        agent = AGENT.read_text(encoding="utf-8")
        command = self._connection.command([self._python, "-B", "-s", "-c", agent, "hold", how, words])
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout is not None
        told: dict[str, Any] = {}
        with suppress(ValueError):
            told = json.loads(process.stdout.readline())
        if told.get("held"):
            return process
        end_process(process)
        place = self._connection.address.destination
        if "busy" in told:
            raise BusyError(
                f"Another run uses {place} ({told['busy'] or 'it does not say who'}), and two would disturb each other's times.",
                fix="Wait until it has ended, then run the same command again.",
            )
        raise DeviceError(f"{place} cannot be kept for this run.", why=str(told.get("error", "It said nothing.")))

    def give(self) -> None:
        """Gives it back, once for each time that it was taken."""
        self._count -= 1
        if self._count == 0 and self._process is not None:
            end_process(self._process)
            self._process = None
