"""A cluster on the loopback interface, as users start one: Dask's scheduler and `tflitekit worker`, each a program of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
from free_port import free_port

ROOT = Path(__file__).resolve().parents[1]


class DaskCluster:
    """A scheduler and what works for it.

    Args:
        folder: For what they print.
        environment: Of the scheduler.
    """

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        port = str(free_port())
        self.address = f"tcp://127.0.0.1:{port}"
        self._programs: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._start(
            "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard", **environment
        )

    def _start(
        self, module: str, *arguments: str, within: tuple[str, ...] = (), **environment: str
    ) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{len(self._programs)}.log").open("wb")
        started = subprocess.Popen(
            [*within, sys.executable, "-m", module, *arguments], stdout=log, stderr=log, cwd=self.folder,
            env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"} | environment, start_new_session=True,
        )  # fmt: skip
        self._programs.append(started)
        return started

    def join(self, *arguments: str, within: tuple[str, ...] = (), **environment: str) -> subprocess.Popen[bytes]:
        """Starts `tflitekit worker`, by a program that becomes it where one is given."""
        return self._start("tflitekit", "worker", "--cluster", self.address, *arguments, within=within, **environment)

    def join_without_nanny(self, resources: str, **environment: str) -> subprocess.Popen[bytes]:
        """Starts a worker of Dask's own that nobody starts again."""
        alone = ("--no-nanny", "--no-dashboard", "--nthreads", "1", "--resources", resources)
        return self._start("distributed.cli.dask_worker", self.address, *alone, **environment)

    @property
    def workers(self) -> list[subprocess.Popen[bytes]]:
        """What joined, in that order."""
        return self._programs[1:]

    def log(self, program: subprocess.Popen[bytes]) -> str:
        """Returns what a program has printed."""
        return (self.folder / f"{self._programs.index(program)}.log").read_text()

    def wait(self, workers: int, timeout_s: float = 300.0) -> None:
        """Waits until so many workers have joined."""
        from distributed import Client

        with Client(self.address, timeout=timeout_s, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=timeout_s)

    def working(self, number: int) -> list[psutil.Process]:
        """Returns the workers of a program by the order of joining: children of their nannies, which start another one for each that ends."""
        program = self.workers[number]
        try:
            children = psutil.Process(program.pid).children() if program.poll() is None else []
            return [child for child in children if "spawn_main" in " ".join(child.cmdline())]
        except psutil.NoSuchProcess:  # one has ended meanwhile
            return []

    def close(self) -> None:
        for program in reversed(self._programs):
            for process in [*psutil.Process(program.pid).children(recursive=True)] if program.poll() is None else []:
                with suppress(psutil.NoSuchProcess):  # one that a nanny started again meanwhile
                    process.send_signal(signal.SIGCONT)
            program.terminate()
        for program in self._programs:
            try:
                program.wait(20)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()
