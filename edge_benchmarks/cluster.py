"""What a cluster costs and brings, beside one machine in the same run. All workers are on this machine.

    python -m edge_benchmarks.cluster suite MODEL --data TEST --calibration TRAIN [--entries 12] [--rounds 2]
    python -m edge_benchmarks.cluster scaling REPORT.json [--workers 12] [--machines 12] [--entries 120] [--whole]
    python -m edge_benchmarks.cluster evaluation FILE.tflite ... --data TEST [--limit 2000] [--rounds 5]

*suite*: `tflitekit suite --cluster local:2` beside `tflitekit suite` on the same cores, in turns, the start of the cluster included.
*scaling*: entries go the way of a suite on a cluster, through a scheduler that is a program of its own, but sleep instead of working, so that
many workers fit on few cores, in one program; what goes through the scheduler's port is counted. Machines are addresses of this one, with locks of their own.
*evaluation*: samples are scored by two workers and by two processes of one machine, in turns; the arrays have to be the same to the last bit.

On a machine that others use, processor time says more than the clock. It is that of all processes, those that have ended included.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from edge_benchmarks.startup import run_s
from tflitekit.cluster.there import machine_at
from tflitekit.core.progress import Progress

ROOT = Path(__file__).resolve().parents[1]


# -- A suite ----------------------------------------------------------------------------------------------------------------------------


def suite_text(models: Sequence[Path], data: str, calibration: str, limit: int, schemes: str) -> str:
    """Returns a suite file with an entry for each model."""
    tables = "".join(f'[[models]]\nname = "{model.stem}"\npath = "{model}"\ndata = ["all"]\n\n' for model in models)
    places = f'evaluation = "{Path(data).resolve()}"\ncalibration = "{Path(calibration).resolve()}"\n'
    return f'schemes = {schemes.split(",")}\n\n{tables}[data.all]\n{places}preprocess = "raw"\nlimit = {limit}\n'


def adopt_orphans() -> None:
    """Makes this process the parent of processes whose own has ended, so that their processor time counts (Linux)."""
    set_child_subreaper = 36
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(set_child_subreaper, 1)


def timed(command: list[str]) -> tuple[float, float]:
    """Returns the seconds by the clock and those of the processor, of all processes that a command leaves behind too."""
    before = os.times()
    clock, _ = run_s(command)
    with suppress(ChildProcessError):
        while True:
            os.wait()
    after = os.times()
    return clock, after.children_user + after.children_system - before.children_user - before.children_system


def compare_suites(arguments: argparse.Namespace) -> None:
    adopt_orphans()
    taken: dict[str, list[tuple[float, float]]] = {"local:2": [], "one machine": []}
    with tempfile.TemporaryDirectory() as folder:
        models = [Path(folder) / f"model-{number}{arguments.model.suffix}" for number in range(arguments.entries)]
        for copy in models:  # the same path twice would be the same work, which is done once
            shutil.copyfile(arguments.model, copy)
        suite = Path(folder) / "suite.toml"
        suite.write_text(
            suite_text(
                models,
                arguments.data,
                arguments.calibration,
                arguments.limit,
                arguments.schemes,
            )
        )
        for turn in range(arguments.rounds):
            for name in taken if turn % 2 == 0 else reversed(taken):
                out = Path(folder) / f"{name}-{turn}".replace(" ", "-")
                options = ["--cluster", name] if name.startswith("local") else []
                line = [sys.executable, "-m", "tflitekit", "suite", str(suite), "--out", str(out), *options]
                taken[name].append(timed(line))
                shutil.rmtree(out)
            told = (
                f"{name} {found[-1][0]:.1f} s, of the processor {found[-1][1]:.1f} s" for name, found in taken.items()
            )
            print("; ".join(told), flush=True)
    for index, what in enumerate(("clock", "processor")):
        sums = {name: sum(times[index] for times in found) for name, found in taken.items()}
        print(f"local:2 / one machine, {what}: {sums['local:2'] / sums['one machine']:.3f}")


# -- A cluster of programs, whose scheduler is behind a port that counts -----------------------------------------------------------------


class CountingPort:
    """A port of this machine that passes everything on to another and counts the bytes, both ways."""

    def __init__(self, port: int) -> None:
        self._to, self.bytes = port, 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            here, _ = self._server.accept()
            there = socket.create_connection(("127.0.0.1", self._to))
            for one, other in ((here, there), (there, here)):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while content := one.recv(1 << 16):
                self.bytes += len(content)
                other.sendall(content)
            other.shutdown(socket.SHUT_WR)


def end(program: subprocess.Popen[bytes]) -> None:
    program.terminate()
    try:
        program.wait(20)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()


@contextmanager
def programs(workers: int, machines: int = 0) -> Iterator[tuple[CountingPort, Any]]:
    """Starts a scheduler and workers of this machine, or of simulated ones; gives the port that counts, and the scheduler as psutil has it."""
    import psutil
    from distributed import Client

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:

        def start(*arguments: str) -> subprocess.Popen[bytes]:
            log = stack.enter_context((Path(folder) / f"{arguments[0]}.log").open("wb"))
            path = {"PYTHONPATH": str(ROOT)}
            line = [sys.executable, "-m", *arguments]
            started = subprocess.Popen(line, stdout=log, stderr=log, cwd=folder, env=os.environ | path)
            stack.callback(end, started)
            return started

        scheduler = start(
            "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"
        )
        with Client(f"tcp://127.0.0.1:{port}", timeout=60, set_as_default=False) as client:
            counting = CountingPort(port)
            address, many = f"tcp://127.0.0.1:{counting.port}", ("--workers", str(workers))
            if machines:
                start("edge_benchmarks.cluster", "sleepers", address, *many, "--machines", str(machines))
            else:
                start("tflitekit", "worker", "--cluster", address, *many)
            client.wait_for_workers(workers, timeout=300)
        yield counting, psutil.Process(scheduler.pid)


class MachineLocks:
    """Takes the place of the folder of a machine's locks: each simulated machine has one of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __truediv__(self, name: str) -> Path:
        from distributed import get_worker

        own = self._folder / machine_at(get_worker().address).rpartition("/")[2]
        own.mkdir(exist_ok=True)
        return own / name


def be_sleepers(arguments: argparse.Namespace) -> None:
    """Is all workers of simulated machines, which are addresses of this one: their tasks do nothing but wait, in threads of one process."""
    from distributed import Worker

    from tflitekit.core import machine_lock
    from tflitekit.optimization import phases  # noqa: F401 - else the first tasks would wait for the import

    machine_lock._FOLDER = MachineLocks(Path.cwd())  # type: ignore[assignment]

    async def work() -> None:
        joined = [
            Worker(
                arguments.address, host=f"127.0.0.{number % arguments.machines + 1}", nthreads=1, resources={"slot": 1}, name=str(number),
                memory_limit=0, dashboard=False, local_directory=str(Path.cwd()),
            )
            for number in range(arguments.workers)
        ]  # fmt: skip
        await asyncio.gather(*joined)
        await asyncio.gather(*(worker.finished() for worker in joined))

    asyncio.run(work())


def used_s(process: Any) -> float:
    """Returns the processor time of a process and all that it started."""
    total = 0.0
    for one in [process, *process.children(recursive=True)]:
        with suppress(Exception):  # it has ended: it is in its parent's time
            times = one.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


# -- Scaling ------------------------------------------------------------------------------------------------------------------------------


SHARES = {"first": 0.1, "driver": 0.05, "conversions": 0.4, "parts": 0.45}
"""Of the work ahead of an entry: what all schemes need, what whoever drives it does itself, four conversions, and the parts of an evaluation."""
MEASURES_S = 0.5
"""What latency takes of an entry, beside two to three seconds ahead; both times the scale."""


def ahead_s(number: int, scale: float) -> float:
    return scale * (2 + number % 3 * 0.5)


def sleep_some(*, seconds: float) -> None:
    """One task of an entry that is done in parts."""
    time.sleep(seconds)


def sleep_run(order: Any, crew: Any, progress: Any, *, ahead: bool = False) -> None:
    """Takes the place of `tflitekit.optimization.run.run`: waits as long, in as many tasks, and leaves the report of another run."""
    number, _, scale = Path(order.out).name.partition("x")
    whole = ahead_s(int(number), float(scale))

    def together(count: int, share: float) -> None:
        if not crew.spread:
            return time.sleep(whole * share)
        with crew.pool(jobs=count, timeout_s=600.0, preload=None) as pool:
            sleeps = {"seconds": whole * share / count}
            futures = [pool.submit("edge_benchmarks.cluster:sleep_some", sleeps, label=f"{n}") for n in range(count)]
            for future in futures:
                future.result()
        return None

    if ahead:
        time.sleep(whole * SHARES["driver"])
        together(1, SHARES["first"])
        together(4, SHARES["conversions"])
        together(12, SHARES["parts"])
    else:
        with crew.alone(here=True):
            time.sleep(MEASURES_S * float(scale))
    order.out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(order.model, order.out / "report.json")


def sleep_phase(*, order: dict[str, Any], ahead: bool) -> None:
    """Takes the place of `tflitekit.optimization.phases.run_phase` in a worker."""
    from tflitekit.optimization import phases

    setattr(phases, "run", sleep_run)  # noqa: B010
    phases.run_phase(order=order, ahead=ahead)


def measure_scaling(arguments: argparse.Namespace) -> None:
    from tflitekit.cluster.crew import open_cluster
    from tflitekit.optimization import phases
    from tflitekit.optimization.order import Order
    from tflitekit.optimization.suites import on_cluster
    from tflitekit.options.convert import ConvertOptions
    from tflitekit.options.optimize import OptimizeOptions
    from tflitekit.results import Constraints

    phases._HERE = "edge_benchmarks.cluster:sleep_phase"
    setattr(phases, "run", sleep_run)  # noqa: B010
    ways = {"in parts": on_cluster._MOST_IN_PARTS, "whole": 0} if arguments.whole else {"": on_cluster._MOST_IN_PARTS}
    with (
        tempfile.TemporaryDirectory() as folder,
        programs(arguments.workers, arguments.machines) as (port, scheduler),
    ):
        before = port.bytes
        time.sleep(5)
        idle = (port.bytes - before) / 5

        def measure(way: str, entries: int) -> None:
            orders = {
                f"entry-{number}": Order(
                    model=arguments.report, data=f"data-{number}", out=Path(folder) / f"{entries} {way}" / f"{number}x{arguments.scale}",
                    how=OptimizeOptions(schemes=("float32", "int8")), constraints=Constraints(), options=ConvertOptions(),
                )
                for number in range(entries)
            }  # fmt: skip
            on_cluster._MOST_IN_PARTS = ways[way]
            with open_cluster(f"tcp://127.0.0.1:{port.port}", places=(folder,)) as crew:
                bytes_before, used_before, own_before = port.bytes, used_s(scheduler), time.process_time()
                start = time.perf_counter()
                found = list(on_cluster.run_on_cluster(orders, crew, Progress()))
                took = time.perf_counter() - start
                through, used, own = (
                    port.bytes - bytes_before,
                    used_s(scheduler) - used_before,
                    time.process_time() - own_before,
                )
            assert {result.name for result in found} == set(orders)
            assert all(result.status == "ok" for result in found), [result.error for result in found]
            work = sum(ahead_s(number, arguments.scale) for number in range(entries)) / arguments.workers
            ideal = work + MEASURES_S * arguments.scale * entries / arguments.machines
            memory = scheduler.memory_info().rss / 1e6
            print(
                f"{entries} entries {way} on {arguments.workers} workers of {arguments.machines} machines: "
                f"{took:.1f} s, with nothing lost {ideal:.1f} s: {ideal / took:.1%}"
            )
            print(
                f"through the scheduler: {through / entries / 1e3:.1f} kB an entry in all; {idle / 1e3:.2f} kB/s of signs of life from idle workers, "
                f"{(through - idle * took) / entries / 1e3:.1f} kB an entry without these"
            )
            print(
                f"processor time: {used / entries * 1e3:.1f} ms an entry in the scheduler ({memory:.0f} MB resident), "
                f"{own / entries * 1e3:.1f} ms in the suite's own process (which also counts bytes)",
                flush=True,
            )

        for entries in arguments.entries:
            for way in ways:
                measure(way, entries)


# -- Evaluation ----------------------------------------------------------------------------------------------------------------------------


def compare_evaluations(arguments: argparse.Namespace) -> None:
    import psutil

    from tflitekit.accuracy.scoring import Against, ScoringJob, score
    from tflitekit.accuracy.spread import Spread
    from tflitekit.accuracy.suitability import metric_of
    from tflitekit.cluster.crew import open_cluster
    from tflitekit.core.progress import Progress
    from tflitekit.data.dataset import SkippedSamples, open_dataset
    from tflitekit.options.evaluate import EvaluateOptions
    from tflitekit.results import Constraints
    from tflitekit.tflite.graph import read_graph
    from tflitekit.tflite.variant import load_variant

    how, constraints = EvaluateOptions(), Constraints()
    variants = [load_variant(path)[0] for path in arguments.files]
    runs = {v.name: ScoringJob(v, read_graph(v.path), None) for v in variants}
    dataset = open_dataset(arguments.data, limit=arguments.limit)
    metric = metric_of(runs, dataset, how, constraints)
    me = psutil.Process()

    def scored(spread: Spread | None) -> tuple[dict[str, Any], float, float]:
        against = Against(variants[0].name)
        start, before = time.perf_counter(), used_s(me)
        found = score(
            list(runs.values()), dataset, metric, jobs=2, progress=Progress(), skipped=SkippedSamples(dataset.size),
            against=against, spread=spread,
        )  # fmt: skip
        return found, time.perf_counter() - start, used_s(me) - before

    ratios: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder, programs(2) as (port, _):
        for turn in range(arguments.rounds + 1):

            def spread_out() -> tuple[dict[str, Any], float, float]:
                with open_cluster(f"tcp://127.0.0.1:{port.port}") as crew:
                    return scored(Spread(crew, how, constraints, Path(folder) / "parts"))

            ways = {"cluster": spread_out, "one machine": lambda: scored(None)}
            found = {name: ways[name]() for name in (ways if turn % 2 == 0 else reversed(ways))}
            (spread, s_clock, s_used), (alone, a_clock, a_used) = found["cluster"], found["one machine"]
            assert_same(spread, alone)
            if turn:
                ratios.append((s_clock / a_clock, s_used / a_used))
            print(
                f"{dataset.size} samples x {len(runs)} files: cluster {s_clock:.2f} s ({s_used:.2f} s of the processor), "
                f"one machine {a_clock:.2f} s ({a_used:.2f} s){'' if turn else '; with imports in the workers, not counted below'}",
                flush=True,
            )
    clock, used = (statistics.median(column) for column in zip(*ratios, strict=True))
    print(
        f"cluster / one machine, medians of pairs: clock {clock:.3f}, processor {used:.3f}; scores are the same arrays"
    )


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name, columns in one.items():
        assert columns.keys() == other[name].keys()
        for column, values in columns.items():
            against = other[name][column]
            assert values.dtype == against.dtype and values.shape == against.shape, (name, column)
            assert values.tobytes() == against.tobytes(), (name, column)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    suite = commands.add_parser("suite")
    suite.add_argument("model", type=Path)
    suite.add_argument("--data", required=True)
    suite.add_argument("--calibration", required=True)
    suite.add_argument("--entries", type=int, default=12)
    suite.add_argument("--limit", type=int, default=500)
    suite.add_argument("--schemes", default="float32,dynamic_range,int8")
    suite.add_argument("--rounds", type=int, default=2)
    suite.set_defaults(run=compare_suites)
    scaling = commands.add_parser("scaling")
    scaling.add_argument("report", type=Path)
    scaling.add_argument("--workers", type=int, default=12)
    scaling.add_argument("--machines", type=int, default=12)
    scaling.add_argument("--entries", type=int, nargs="+", default=[120])
    scaling.add_argument("--scale", type=float, default=1.0)
    scaling.add_argument("--whole", action="store_true", help="also with entries that are never done in parts")
    scaling.set_defaults(run=measure_scaling)
    sleepers = commands.add_parser("sleepers")
    sleepers.add_argument("address")
    sleepers.add_argument("--workers", type=int)
    sleepers.add_argument("--machines", type=int)
    sleepers.set_defaults(run=be_sleepers)
    evaluation = commands.add_parser("evaluation")
    evaluation.add_argument("files", nargs="+", type=Path)
    evaluation.add_argument("--data", required=True)
    evaluation.add_argument("--limit", type=int, default=2000)
    evaluation.add_argument("--rounds", type=int, default=5)
    evaluation.set_defaults(run=compare_evaluations)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
