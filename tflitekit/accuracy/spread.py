"""Scores of parts of the data, found on other machines: each part is a task, and its scores come back as a file.

A part is a few chunks, cut as on one machine, so that the scores are the same arrays. What takes a moment in all is done here.
"""

from __future__ import annotations

import io
import itertools
import json
import math
import shutil
import socket
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tflitekit.accuracy.fidelity import pack, unpack
from tflitekit.accuracy.scoring import RUNTIME, ChunkEvaluator, Collected, ScoringJob
from tflitekit.accuracy.suitability import metric_of
from tflitekit.core.errors import DataError, MachineError
from tflitekit.core.files import content_hash, hash_json, write_whole
from tflitekit.core.machine import cpu_model, machine_name
from tflitekit.core.process.crew import Crew
from tflitekit.core.process.workers import wait_for
from tflitekit.core.registry import modules_in
from tflitekit.data.contents import Contents
from tflitekit.data.dataset import Dataset, open_dataset
from tflitekit.data.parallel import Done, process_chunks
from tflitekit.options.evaluate import EvaluateOptions
from tflitekit.results import Constraints
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.variant import Variant

__all__ = ["Spread", "samples_of_part", "score_part", "seconds_of_each", "spread_over"]

_PARTS_EACH = 4
"""Parts for each worker at most, so that none waits long for the last one."""
_PART_S = 2.5
"""Seconds that a part takes at least, where each worker has several; an evaluation that takes one core less is not spread. A part costs a quarter of a second of its own."""
_LEAST_S = 1.0
"""Seconds that a part takes at least, where not every worker gets one."""
_PRELOAD = (
    *RUNTIME,
    __name__,
    *modules_in("tflitekit.accuracy.metrics"),
    *modules_in("tflitekit.data.kinds"),
    "PIL.JpegImagePlugin",
)
"""What each part would import otherwise, which took as long as 200 images."""
_TIMEOUT_S = 3600.0


@dataclass(frozen=True)
class Spread:
    """How an evaluation is spread over other machines.

    Attributes:
        folder: Where scores come back as files.
        machines: Takes the processor of each machine that took a part, by the machine's name.
    """

    crew: Crew
    how: EvaluateOptions
    constraints: Constraints
    folder: Path
    machines: dict[str, str] = field(default_factory=dict)

    def chunks(
        self,
        runs: Sequence[ScoringJob],
        dataset: Dataset,
        baseline: str | None,
        size: int,
        evaluator: Callable[[], ChunkEvaluator],
        jobs: int,
    ) -> Generator[Done, None, None]:
        """Yields what the parts of the data came to, in their order.

        Args:
            size: Samples that are run at a time.
            evaluator: Is timed on this machine, to choose the size of parts.
            jobs: Processes for what is done here.

        Raises:
            TflitekitError: A part could not be scored.
        """
        total, seconds_each = len(dataset), seconds_of_each(dataset, evaluator)
        if total * seconds_each < _PART_S:
            self.machines[machine_name()] = cpu_model()
            yield from process_chunks(dataset, size, jobs, evaluator)
            return
        step = samples_of_part(total, max(1, self.crew.spread), seconds_each, size)
        common = self._common(runs, dataset, baseline, size)
        contents = Contents(dataset)
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.crew.pool(jobs=self.crew.spread, timeout_s=_TIMEOUT_S, preload=_PRELOAD) as pool:
            parts = []
            for start in range(0, total, step):
                stop = min(total, start + step)
                part = common | {"start": start, "stop": stop, "content": contents.of(start, stop)}
                part["out"] = str(self.folder / f"part-{hash_json(part)[:32]}.npz")
                label = f"samples {start + 1:,} to {stop:,}"
                parts.append(pool.submit("tflitekit.accuracy.spread:score_part", part, label=label))
            for answer in map(wait_for, parts):
                self.machines.update(answer["machine"])
                yield from _taken(answer)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _common(self, runs: Sequence[ScoringJob], dataset: Dataset, baseline: str | None, size: int) -> dict[str, Any]:
        return {
            "variants": [run.variant.model_dump(mode="json") for run in runs],
            "files": [str(run.variant.path.parent.resolve() / run.variant.path.name) for run in runs],
            "probabilities": {run.variant.name: sorted(run.probabilities) for run in runs},
            "data": dict(dataset.recipe or {}),
            "how": self.how.model_dump(mode="json", exclude_unset=True),
            "constraints": self.constraints.model_dump(mode="json", exclude_unset=True),
            "baseline": baseline,
            "size": size,
        }


def seconds_of_each(dataset: Dataset, evaluator: Callable[[], ChunkEvaluator]) -> float:
    """Returns about how long one sample takes all files, on a core that does nothing else; 0 of one sample alone."""
    samples = list(itertools.islice(dataset, 3))
    if len(samples) < 2:
        return 0.0
    first, *few = samples
    with closing(evaluator()) as evaluate:
        evaluate([first])  # the first call of an interpreter takes longer
        start = time.thread_time()
        evaluate(few)
        return (time.thread_time() - start) / len(few)


def samples_of_part(total: int, workers: int, seconds_each: float, size: int) -> int:
    """Returns how many samples a worker gets at a time: whole chunks of ``size``."""
    seconds = total * seconds_each
    long, short = int(seconds / _PART_S), int(seconds / _LEAST_S)
    each = min(_PARTS_EACH, long // workers)
    parts = workers * each if each else min(workers, max(1, short))
    return size * math.ceil(total / (parts * size))


def _taken(answer: Mapping[str, Any]) -> Iterator[Done]:
    """Yields a part's scores, then its sums, chunk by chunk, in which order they are added up; removes its file."""
    path = Path(answer["file"])
    if content_hash(path) != answer["sha256"]:
        raise DataError(
            f"The scores in {path} are not those that a worker wrote there.", fix="Run the same command again."
        )
    with np.load(path, allow_pickle=False) as archive:
        part = json.loads(archive["part"].tobytes())
        scores = {
            name: {c: archive[f"score {json.dumps([name, c])}"] for c in columns}
            for name, columns in part["scores"].items()
        }
        positions = next(iter(scores.values()))["position"] if scores else np.zeros(0, np.int64)
        unreadable = [(key, reason) for key, reason in part["unreadable"]]
        yield Done(part["start"], part["length"], (positions, scores, unreadable, {}))
        sums = {(name, i): archive[f"sum {json.dumps([name, i])}"] for name, i in part["sums"]}
    for number in range(max(map(len, sums.values()), default=0)):
        of_chunk: dict[str, dict[int, Any]] = {}
        for (name, index), chunks in sums.items():
            of_chunk.setdefault(name, {})[index] = unpack(chunks[number])
        yield Done(part["start"], 0, (np.zeros(0, np.int64), {}, [], of_chunk))
    path.unlink()


def spread_over(
    crew: Crew, dataset: Dataset, how: EvaluateOptions, constraints: Constraints, folder: Path | None
) -> Spread | None:
    """Returns how an evaluation is spread; None where it is done here: nobody else is there, or nobody else could open the data."""
    if not crew.spread or folder is None or dataset.recipe is None or dataset.size is None or how.stream:
        return None
    if not dataset.random_access:
        return None
    return Spread(crew, how, constraints, folder.resolve() / "parts")


def score_part(
    *,
    variants: list[dict[str, Any]],
    files: list[str],
    probabilities: dict[str, list[str]],
    data: dict[str, Any],
    how: dict[str, Any],
    constraints: dict[str, Any],
    baseline: str | None,
    size: int,
    start: int,
    stop: int,
    content: str | None,
    out: str,
) -> dict[str, Any]:
    """Scores samples ``start`` to ``stop`` of the data and writes them to ``out`` (runs in a worker).

    Raises:
        MachineError: The data are not those of the machine that asks, of which ``content`` is a hash.
    """
    options = EvaluateOptions(**how)
    dataset = open_dataset(**{**data, "labels": tuple(data["labels"]) if data["labels"] else None})
    if Contents(dataset).of(start, stop) != content:
        raise MachineError(
            f"{dataset.location} has other contents on {socket.gethostname()} than on the machine that asks.",
            why=f"Samples {start + 1:,} to {stop:,} differ, or their labels.",
            fix="Let both see the same folder, or copy it anew.",
        )
    runs = []
    for told, file in zip(variants, files, strict=True):
        variant = Variant.model_validate(told).model_copy(update={"folder": Path(file).parent})
        run = ScoringJob(variant, read_graph(variant.path), options.scored)
        run.probabilities = frozenset(probabilities[variant.name])
        runs.append(run)
    metric = metric_of({run.variant.name: run for run in runs}, dataset, options, Constraints(**constraints))
    collected, sums, unreadable = Collected(stop - start), dict[tuple[str, int], list[Any]](), list[tuple[str, str]]()
    samples, done = dataset.pick(range(start, stop)), 0
    with closing(ChunkEvaluator(runs, metric, baseline, stream=False)) as evaluator:
        while chunk := list(itertools.islice(samples, size)):
            positions, scores, not_read, found = evaluator(chunk)
            collected.add(done + positions, scores)
            unreadable += not_read
            for name, pairs in found.items():
                for index, one in pairs.items():
                    sums.setdefault((name, index), []).append(pack(one))
            done += len(chunk)
    columns = collected.finish()
    part = {
        "start": start,
        "length": done,
        "unreadable": unreadable,
        "scores": {name: list(of_variant) for name, of_variant in columns.items()},
        "sums": list(sums),
    }
    arrays: dict[str, Any] = {
        f"score {json.dumps([n, c])}": values for n, found in columns.items() for c, values in found.items()
    }
    arrays |= {f"sum {json.dumps(key)}": np.stack(chunks) for key, chunks in sums.items()}
    buffer = io.BytesIO()
    np.savez(buffer, part=np.frombuffer(json.dumps(part).encode(), np.uint8), **arrays)
    write_whole(Path(out), buffer.getvalue())
    return {"file": out, "sha256": content_hash(Path(out)), "machine": {machine_name(): cpu_model()}}
