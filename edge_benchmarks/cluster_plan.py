"""What many models on many devices take every night: a simulation of workers, devices, scheduler, files and stored reports.

    python -m edge_benchmarks.cluster_plan [--models 500] [--devices 200] [--workers 10,50,200] [--per-file-s 30] ...

Each model is worked ahead (converted and evaluated) on a worker, then measured on its devices, each of which does one thing at a time, in the order
in which models become ready. Durations vary as lognormal figures do. All inputs are options, with what was measured or assumed as the default;
docs/capacity.md says which is which.
"""

from __future__ import annotations

import argparse
import heapq
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

__all__ = ["Inputs", "Night", "simulate"]


@dataclass(frozen=True)
class Inputs:
    """What is known or assumed of one piece of work.

    Attributes:
        ahead_s: To convert and evaluate one model on one core.
        spread: Standard deviation of the logarithm of all durations; 0 for none.
        files: Variants of a model, each measured on a device.
        per_file_s: To copy one file to a device and measure it.
        scheduler_s: Processor time of the scheduler for one task; it has one core.
        message_kb: What passes the scheduler for one task.
        beat_kb_s: What a worker sends while it is alone.
        files_mb: All variants of a model together.
        data_mb: Evaluation and calibration data of a model, read once where it is worked ahead.
        report_kb: One stored report.
        index_ms: What one stored report adds to the time of the index.
    """

    ahead_s: float = 600.0
    spread: float = 0.3
    files: int = 6
    per_file_s: float = 30.0
    scheduler_s: float = 0.015
    message_kb: float = 20.0
    beat_kb_s: float = 1.5
    files_mb: float = 30.0
    data_mb: float = 500.0
    report_kb: float = 350.0
    index_ms: float = 0.5


@dataclass(frozen=True)
class Night:
    """What one night took.

    Attributes:
        wall_s: Until the last measurement.
        ahead_s: Until the last model was worked ahead.
        tasks: Those of workers and devices.
        worker_busy_s, device_busy_s: All together.
        longest_device_s: What the device with the most work had to do.
    """

    wall_s: float
    ahead_s: float
    tasks: int
    worker_busy_s: float
    device_busy_s: float
    longest_device_s: float


def simulate(inputs: Inputs, plan: Sequence[Sequence[int]], workers: int, devices: int, seed: int = 0) -> Night:
    """Plays one night.

    Args:
        plan: For each model the numbers of the devices that it is measured on.
    """
    generator = np.random.default_rng(seed)

    def lasting(seconds: float) -> float:
        return seconds * float(generator.lognormal(-(inputs.spread**2) / 2, inputs.spread))

    free = [0.0] * workers
    scheduler = busy = 0.0
    ready: list[tuple[float, Sequence[int]]] = []
    for wanted in plan:
        scheduler += inputs.scheduler_s
        start, took = max(heapq.heappop(free), scheduler), lasting(inputs.ahead_s)
        heapq.heappush(free, start + took)
        busy += took
        ready.append((start + took, wanted))
    at, used, scheduler = [0.0] * devices, [0.0] * devices, 0.0
    for done, wanted in sorted(ready, key=lambda one: one[0]):
        for device in wanted:
            scheduler = max(scheduler, done) + inputs.scheduler_s
            took = lasting(inputs.files * inputs.per_file_s)
            at[device] = max(at[device], scheduler) + took
            used[device] += took
    return Night(
        wall_s=max([*at, *(done for done, _ in ready)], default=0.0),
        ahead_s=max((done for done, _ in ready), default=0.0),
        tasks=len(plan) + sum(map(len, plan)),
        worker_busy_s=busy,
        device_busy_s=sum(used),
        longest_device_s=max(used, default=0.0),
    )


def plan_of(models: int, devices: int, *, changed: float, each: int, rotated: int = 0) -> list[list[int]]:
    """Returns the devices of each model of one night.

    Args:
        changed: The share of models that are new since yesterday.
        each: Devices that a changed model is measured on; one after the other in turn, so that all have as much to do.
        rotated: Devices that each other model is measured on.
    """
    plan, turn = [], 0
    for number in range(models):
        count = each if number < round(models * changed) else rotated
        if count:
            plan.append([(turn + i) % devices for i in range(count)])
            turn += count
    return plan


def plans(models: int, devices: int) -> dict[str, list[list[int]]]:
    """Returns the nights that are compared, by name."""
    return {
        "all models on all devices": plan_of(models, devices, changed=1, each=devices),
        "all models, each on 20 devices": plan_of(models, devices, changed=1, each=min(20, devices)),
        "a tenth changed, on all devices": plan_of(models, devices, changed=0.1, each=devices),
        "a tenth changed, on all; the others on 10 in turn": plan_of(
            models, devices, changed=0.1, each=devices, rotated=min(10, devices)
        ),
    }


def print_night(inputs: Inputs, name: str, plan: list[list[int]], workers: Sequence[int], devices: int) -> None:
    nights = {count: simulate(inputs, plan, count, devices) for count in workers}
    *_, last = nights.values()
    print(f"\n{name}: {last.tasks:,} tasks, {last.tasks - len(plan):,} of them on devices")
    for count, night in nights.items():
        print(
            f"  {count:>4} workers: {night.wall_s / 3600:6.1f} h; worked ahead after {night.ahead_s / 3600:5.1f} h, "
            f"workers busy {night.worker_busy_s / count / night.wall_s:4.0%}, devices {night.device_busy_s / devices / night.wall_s:4.0%}"
        )
    reports = last.tasks - len(plan)
    through_mb = (last.tasks * inputs.message_kb + inputs.beat_kb_s * max(workers) * last.wall_s) / 1e3
    print(
        f"  busiest device {last.longest_device_s / 3600:.1f} h; scheduler {last.tasks * inputs.scheduler_s / 60:.1f} min of one core, "
        f"{through_mb:,.0f} MB through it\n"
        f"  files: {len(plan) * inputs.data_mb / 1e3:,.0f} GB of data and {len(plan) * inputs.files_mb / 1e3:,.1f} GB of variants through the shared "
        f"folder, {reports * inputs.files_mb / 1e3:,.0f} GB to devices\n"
        f"  store: {reports * inputs.report_kb / 1e6:,.1f} GB and {reports:,} reports a night, {365 * reports * inputs.report_kb / 1e9:,.2f} TB a year; "
        f"an index of one night takes {reports * inputs.index_ms / 1e3:,.1f} s, of a year {365 * reports * inputs.index_ms / 60e3:,.0f} min"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=500)
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--workers", default="10,50,200", help="N,...")
    for field in fields(Inputs):
        kind = int if isinstance(field.default, int) else float
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=field.default)
    arguments = parser.parse_args()
    inputs = Inputs(**{field.name: getattr(arguments, field.name) for field in fields(Inputs)})
    workers = [int(count) for count in arguments.workers.split(",")]
    for name, plan in plans(arguments.models, arguments.devices).items():
        print_night(inputs, name, plan, workers, arguments.devices)


if __name__ == "__main__":
    main()
