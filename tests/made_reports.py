"""Small reports made by hand, for exact figures."""

from __future__ import annotations

import numpy as np

from tflitekit.core.packing import pack_hits, pack_labels
from tflitekit.core.statistics import wilson_interval
from tflitekit.results import ClassRecall, Constraints, DatasetRecord, Latency, Measured, Report, Samples, VariantReport

MACHINE = {"cpu": "a cpu", "cores": 2, "runtime": "a runtime"}


def latency(rounds, **changes):
    """A benchmark with these microseconds by round."""
    pooled = np.concatenate([np.asarray(part, float) for part in rounds]) / 1000
    figures = {
        "target": "host", "threads": 1, "protocol": "quick", "median_ms": float(np.median(pooled)),
        "p90_ms": float(np.percentile(pooled, 90)), "p99_ms": float(np.percentile(pooled, 99)),
        "mean_ms": float(pooled.mean()), "min_ms": float(pooled.min()), "init_ms": 1, "first_ms": 1, "runs": pooled.size,
        "rounds": len(rounds), "warmup_runs": 1, "runtime": "a runtime", "machine": MACHINE, "samples": Samples.of(rounds),
    }  # fmt: skip
    return Latency(**(figures | changes))


def variant(name, *, hits=None, labels=None, rounds=None, size=1000, sha256=None, **changes):
    """A row whose accuracy is that of ``hits``."""
    fields = {"name": name, "scheme": name, "status": "ok", "size_bytes": size, "deflated_bytes": size,
              "sha256": sha256 or name, "peak_memory_bytes": 5000}  # fmt: skip
    if hits is not None:
        fields |= {"accuracy": share("top1", hits), "hits": pack_hits(hits)}
    if labels is not None:
        recalls = [(str(label), share("recall", hits[labels == label])) for label in np.unique(labels)]
        fields["per_class"] = tuple(
            ClassRecall(label=label, **found.model_dump(exclude={"metric", "higher_is_better"}))
            for label, found in recalls
        )
    if rounds is not None:
        fields["latency"] = latency(rounds)
    return VariantReport(**(fields | changes))


def share(metric, hits):
    low, high = wilson_interval(int(hits.sum()), hits.size)
    return Measured(metric=metric, value=float(hits.mean()), low=low, high=high, n=hits.size, higher_is_better=True)


def report(*rows, labels=None, data="the same data", samples=None, **changes):
    n = samples or next((v.accuracy.n for v in rows if v.accuracy), 0)
    packed = None if labels is None else pack_labels(labels)
    fields = {
        "tool": {"tflitekit": "1"}, "created": "now", "machine": {}, "source": None, "contract": None,
        "dataset": DatasetRecord(location="data", kind="images", samples=n, sha256=data, labels=packed),
        "baseline": rows[0].name, "constraints": Constraints(), "variants": rows, "recommendation": None,
    }  # fmt: skip
    return Report(**(fields | changes))


def answers(n, wrong):
    hits = np.ones(n, np.bool_)
    hits[list(wrong)] = False
    return hits
