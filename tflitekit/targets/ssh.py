"""A board behind ssh: any Linux machine that lets you in with a key and has a Python."""

from __future__ import annotations

import getpass
import io
import platform
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tflitekit.core.errors import DeviceError, ModelError, StorageError, TflitekitError, UsageError
from tflitekit.core.files import content_hash
from tflitekit.core.progress import Progress
from tflitekit.results import Conditions, DeviceState, Figure, Profile, TargetKind
from tflitekit.targets import SessionFacts, Shapes, register_target
from tflitekit.targets.board.connection import Address, Connection
from tflitekit.targets.board.hold import Hold
from tflitekit.targets.board.packages import PYTHONS, Archive, Kind, runtime_archive, worker_archive
from tflitekit.targets.board.state import board_state, cpu_name
from tflitekit.targets.remote import RemoteModel, RemoteSession, Start
from tflitekit.tflite.graph import Graph, read_graph
from tflitekit.tflite.runtime import runtime_name

__all__ = ["SshTarget"]

_NO_PYTHON = "none"
_FIND_PYTHON = f"""\
for python in {" ".join(f"python{version}" for version in reversed(PYTHONS))} python3; do
  command -v "$python" && exit
done
echo {_NO_PYTHON}
"""
_KILLED = 128


def _address(destination: str) -> Address:
    if not destination:
        raise UsageError(
            "The target 'ssh' is a board, and none is named.", fix="Write ssh:USER@HOST, as in ssh:pi@192.168.1.7."
        )
    return Address.parse(destination)


@register_target("ssh", takes="USER@HOST", reads=_address)
class SshTarget:
    """A board.

    Args:
        destination: ``USER@HOST``, with a port where it is not the usual one.
    """

    kind: TargetKind = "board"
    good_for: tuple[Figure, ...] = ("latency", "memory", "accuracy")
    parallel = False

    def __init__(self, destination: str = "") -> None:
        self._connection = Connection(_address(destination))
        self.name = f"ssh:{destination}"
        self._place = self._connection.address.destination
        try:
            self._python = self._find_python()
            self._told = self._ask("probe")
            self._folder = self._install()
        except BaseException:
            self.close()
            raise
        self.hold = Hold(self._connection, self._python, f"{getpass.getuser()} on {platform.node()}")

    def _find_python(self) -> str:
        found = self._connection.shell(_FIND_PYTHON).strip().splitlines()
        if not found or found[-1] == _NO_PYTHON:
            raise DeviceError(
                f"{self._place} has no Python.",
                fix=f"Install one of Python {PYTHONS[0]} to {PYTHONS[-1]} there (Debian: apt-get install python3).",
            )
        return found[-1]

    def _ask(self, action: str) -> dict[str, Any]:
        told = self._connection.call(self._python, action)
        if "error" in told:
            raise DeviceError(f"{self._place} did not do what was asked.", why=str(told["error"]))
        return told

    def _install(self) -> dict[str, str]:
        """Puts runtime and worker there, where they are not there yet; returns their folders."""
        kind = Kind.of(self._told, self._place)
        archives = {"runtime": runtime_archive(kind, Progress()), "worker": worker_archive()}
        return {name: self._put(f"{name}s/{archive.digest}", archive) for name, archive in archives.items()}

    def _put(self, name: str, what: Archive | Path) -> str:
        """Sends a file or an archive, unless it is there; goes on where an earlier attempt was cut. Returns its path there."""
        if isinstance(what, Path):
            content, digest, unpacked = what.read_bytes(), content_hash(what), 0
        else:
            content, digest, unpacked = what.content, what.digest, what.unpacked
        told = self._connection.call(
            self._python,
            "put",
            name,
            digest,
            str(len(content)),
            str(unpacked),
            send=lambda have: io.BytesIO(content[have:]),
        )
        if not told.get("there"):
            raise _not_put(self._place, told)
        return f"{self._told['folder']}/{name}"

    def identity(self) -> dict[str, Any]:
        return {
            "cpu": cpu_name(self._told["cpuinfo"], self._told["model"]),
            "cores": self._told["cores"],
            "machine": self._told["machine"],
            "system": self._told["system"],
            "python": self._told["python"],
            "runtime": runtime_name(),  # the same is sent there
        }

    def state(self) -> DeviceState:
        """Returns what the board says of itself now."""
        told = self._ask("state")
        return board_state(told["texts"], told["throttled"])

    def model(self, path: Path, *, graph: Graph) -> BoardModel:
        there = self._put(f"files/{content_hash(path)}.tflite", path)
        return BoardModel(self.hold, "shared", self._start(path), path, graph, path_there=there)

    def open(self, path: Path, *, threads: int, shapes: Shapes | None = None) -> BoardSession:
        there = self._put(f"files/{content_hash(path)}.tflite", path)
        self.hold.take("alone")
        try:
            return BoardSession(self, self._start(path), path, threads=threads, shapes=shapes or {}, path_there=there)
        except BaseException:
            self.hold.give()
            raise

    def profile(self, path: Path, *, threads: int, shapes: Shapes | None = None) -> Profile:
        raise ModelError(f"{path.name} was not profiled on {self.name}: profiles are taken on this host and on phones.")

    def _start(self, path: Path) -> Start:
        worker = shlex.join([self._python, "-B", "-s", self._folder["worker"], "litert"])
        script = f"PYTHONPATH={shlex.quote(self._folder['runtime'])} {worker}; exit $?"
        return Start(
            self._connection.command(["sh", "-c", script]),
            f"the board {self._place}",
            ended=lambda code, words: self._ended(path, code, words),
        )

    def _ended(self, path: Path, code: int | None, words: str) -> TflitekitError | None:
        if code == 255 or not self._connection.alive:
            return self._connection.failure(words)
        if code is not None and code > _KILLED:
            killed = code - _KILLED
            return DeviceError(
                f"The worker that ran {path.name} on {self._place} was ended by signal {killed}.",
                why=words or ("The system there ends programs where memory is short." if killed == 9 else None),
                fix="See what 'dmesg' says there, close other programs, and run the same command again.",
            )
        return None

    def close(self) -> None:
        self._connection.close()


class BoardModel(RemoteModel):
    """A file on a board that computes samples."""

    def __init__(self, hold: Hold, how: str, start: Start, file: Path, graph: Graph, *, path_there: str) -> None:
        hold.take(how)
        self._hold = hold
        try:
            super().__init__(start, file, graph, path=path_there)
        except BaseException:
            hold.give()
            raise

    def close(self) -> None:
        super().close()
        self._hold.give()


class BoardSession(RemoteSession):
    """A file on a board that is measured, with what the board says before and after."""

    def __init__(
        self, board: SshTarget, start: Start, file: Path, *, threads: int, shapes: Shapes, path_there: str
    ) -> None:
        self._board, self._before = board, board.state()
        super().__init__(start, file, read_graph(file), threads=threads, shapes=shapes, path=path_there)

    def facts(self) -> SessionFacts:
        after = self._board.state()  # at once: it cools down quickly
        conditions = Conditions(before=self._before, after=after)
        return super().facts().model_copy(update={"conditions": conditions})

    def close(self) -> None:
        super().close()
        self._board.hold.give()


def _not_put(place: str, told: Mapping[str, Any]) -> TflitekitError:
    """Returns why a board did not take a file."""
    if told.get("full"):
        sizes = (
            f"It takes {told['needed'] / 1e6:.0f} MB, and {told['free'] / 1e6:.0f} MB are free."
            if "needed" in told
            else None
        )
        return StorageError(
            f"The disk of {place} is full.", why=sizes, fix="Free some space there, then run the same command again."
        )
    if told.get("busy"):
        return DeviceError(
            f"Another run sends the same file to {place}.",
            fix="Wait until it has ended, then run the same command again.",
        )
    if told.get("damaged"):
        return DeviceError(
            f"A file arrived damaged on {place}.", fix="Run the same command again; see to the cable or the card there."
        )
    return DeviceError(
        f"{place} did not take a file.",
        why=str(told.get("error")) if "error" in told else None,
        fix="Run the same command again: what was sent is not sent again.",
    )
