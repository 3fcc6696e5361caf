"""What is wrong with what is asked of *optimize*, as far as names and numbers tell: before a file, a device or a cluster is opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from tflitekit.accuracy.evaluation import check_certainty
from tflitekit.accuracy.metric_choice import is_reference, require_metric
from tflitekit.accuracy.metrics import metrics
from tflitekit.accuracy.on_targets import refuse_stream
from tflitekit.conversion import check_needs, require_chief
from tflitekit.conversion.searching import refuse_without_clock, searches_by_latency
from tflitekit.core.arguments import meant
from tflitekit.core.errors import TflitekitError, UsageError
from tflitekit.hardware import load_profile
from tflitekit.options.benchmark import LatencyOptions
from tflitekit.options.convert import ConvertOptions
from tflitekit.options.optimize import OptimizeOptions
from tflitekit.results import Constraints
from tflitekit.schemes import Request, parse_requests
from tflitekit.targets import check_measuring, check_trying, kind_of
from tflitekit.tasks.readers import readers, require_reader

__all__ = ["Fault", "faults_in"]


class Fault(NamedTuple):
    """Something that cannot be.

    Attributes:
        option: The field of the options, or of the constraints, that says it.
    """

    option: str
    error: TflitekitError


def faults_in(how: OptimizeOptions, constraints: Constraints, options: ConvertOptions) -> Iterator[Fault]:
    """Yields all that is wrong."""
    checks: list[tuple[str, Callable[[], object]]] = [
        ("training", lambda: require_chief(options)),
        ("target", lambda: check_measuring(how.target, how.part(LatencyOptions))),
        *(("also_on", lambda name=name: check_trying(name)) for name in how.also_on),
        ("also_on", lambda: refuse_stream(how.also_on, stream=how.stream)),
        *(("metric", lambda name=name: require_metric(name)) for name in how.metric.values()),
        ("reader", lambda: None if how.reader is None else require_reader(how.reader)),
        ("task", lambda: _check_task(how.task)),
        ("schemes", lambda: _check_schemes(how, constraints, options)),
        ("until_certain", lambda: check_certainty(constraints) if how.until_certain else None),
        ("min_fidelity", lambda: _check_limits(how, constraints)),
    ]
    for option, check in checks:
        try:
            check()
        except TflitekitError as error:
            yield Fault(option, error)


def _check_task(task: str | None) -> None:
    known = {"classification", "regression"}
    known |= {kind.task for kind in readers().values()} | {kind.task for kind in metrics().values() if kind.task}
    if task is not None and task not in known:
        raise UsageError(
            f"There is no task '{task}'.", fix=f"{meant(task, known)}Choose from: {', '.join(sorted(known))}."
        )


def _check_schemes(how: OptimizeOptions, constraints: Constraints, options: ConvertOptions) -> None:
    requests: list[Request] = parse_requests(how.schemes or (), how.rounding if how.schemes else None)
    check_needs(requests, how.calibration, options, how.calibration_curve, skip_unfit=how.schemes is None)
    kind = kind_of(how.target)
    if kind not in (None, load_profile(constraints.deploy_on).targets.kind) and any(map(searches_by_latency, requests)):
        refuse_without_clock(requests, None)


def _check_limits(how: OptimizeOptions, constraints: Constraints) -> None:
    """Refuses limits of which one is for data with labels, and one for data without."""
    drops = {"--max-accuracy-drop": constraints.max_accuracy_drop, "--max-class-drop": constraints.max_class_drop}
    drop = next((option for option, value in drops.items() if value is not None), None)
    metric = how.metric_of_all
    if constraints.min_fidelity is not None and drop is not None:
        raise UsageError(
            f"--min-fidelity is for data without labels, and {drop} for data with labels.",
            fix="Leave out one of the two.",
        )
    if constraints.min_fidelity is not None and metric is not None and not is_reference(metric):
        raise UsageError(
            f"--min-fidelity is a limit on the agreement with the float model, which --metric {metric} does not measure.",
            fix="Give --max-accuracy-drop instead, or leave out --metric.",
        )
    if drop is not None and metric is not None and is_reference(metric):
        raise UsageError(
            f"{drop} needs labels, and --metric {metric} leaves them aside.",
            fix="Give --min-fidelity PERCENT instead, or leave out --metric.",
        )
