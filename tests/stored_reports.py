"""Reports of a few models over time, made by hand, for the history and the index of a store."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import numpy as np
from made_reports import report, variant

from tflitekit.results import Finding, Recommendation, Report, SourceRecord

__all__ = ["nightly"]

START = datetime(2026, 1, 1, tzinfo=UTC)
N = 400


def nightly(
    count: int = 24,
    *,
    model: str = "m.keras",
    shift_at: int | None = 12,
    data: str = "the same data",
    name: str = "int8",
    noisy: Collection[int] = (),
) -> list[Report]:
    """Returns one report a day of a float32 and a quantized variant.

    From ``shift_at`` on the quantized one is 20 points worse, 30 % slower and 100 bytes larger, and the runtime is another one. On ``noisy``
    days other programs disturbed it.
    """
    generator = np.random.default_rng(count)
    hard = np.arange(N) < N // 10  # the same samples are wrong every day, but for two
    made = []
    for day in range(count):
        late = shift_at is not None and day >= shift_at
        hits = ~hard
        hits[generator.choice(N, 2, replace=False)] ^= True
        worse = hits & ~(np.arange(N) % 5 == 1) if late else hits
        us = float(generator.lognormal(np.log(500), 0.03)) * (1.3 if late else 1)
        rows = [
            variant("float32", hits=hits, rounds=[[1000.0] * 5] * 4, size=4000),
            variant(name, hits=worse, rounds=[[us] * 5] * 4, size=1100 if late else 1000, sha256=f"{day}"),
        ]
        runtime = {"runtime": "runtime 2" if late else "runtime 1"}
        rows = [row.model_copy(update={"latency": row.latency.model_copy(update=runtime)}) for row in rows]
        answer = Recommendation(chosen=name, reasons=(), rejected=(), constraints_met=True)
        source = SourceRecord(location=f"models/{model}", sha256=f"{day}")
        created = (START + timedelta(days=day)).isoformat()
        noise = [Finding(kind="noisy-machine", message="Noise.")] if day in noisy else []
        made.append(report(*rows, data=data, source=source, created=created, recommendation=answer, warnings=noise))
    return made
