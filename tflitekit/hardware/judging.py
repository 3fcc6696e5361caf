"""Judges a file for a piece of hardware by its profile, without running anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tflitekit.core.errors import UsageError
from tflitekit.core.tensor import TensorSpec
from tflitekit.hardware.judgement import IoJudgement, Judgement, OperatorGroup, Role, Verdict
from tflitekit.hardware.library import load_profile
from tflitekit.hardware.profile import ANY, REFUSED, Profile, Rule, is_builtin
from tflitekit.hardware.words import advice, either, shown_type, summarize
from tflitekit.tflite.graph import Graph, OpCount, Operator
from tflitekit.tflite.layers import layers_or_edges
from tflitekit.tflite.op_versions import PER_CHANNEL_FULLY_CONNECTED, minimum_runtime_version, version_key

__all__ = ["judge"]

UNKNOWN, NOWHERE, CPU = "not known", "nothing", "CPU"


class _Placed(NamedTuple):
    """Where one operator runs, why, and the profile's rule that takes it."""

    operator: Operator
    where: str
    why: str = ""
    rule: Rule | None = None


def judge(graph: Graph, profile: Profile, *, layers: Sequence[str] = (), runtime: str | None = None) -> Judgement:
    """Judges a file for a piece of hardware.

    Args:
        graph: Content of the file (see `read_graph`).
        layers: The user's layer names, where a sidecar has them.
        runtime: The version of the runtime there, in the numbers of TensorFlow Lite; that of the profile when not given.

    Returns:
        Where each operator would run and why, and what follows for the file.

    Raises:
        UsageError: ``runtime`` is not a version.

    Example:
        >>> judgement = judge(tk.read_graph("build/int8.tflite"), load_profile("ethos-u55-128"))
        >>> print(judgement.summary)
    """
    runtime = _version(runtime) or profile.runtime.version
    operators = [*graph.operators, *graph.inner_operators]
    placed = _one_partition([_place(one, profile) for one in operators], profile)
    old = _too_old(graph, runtime)
    dynamic = _open(graph, profile)
    if old:
        placed = [_Placed(one.operator, NOWHERE, _since(one.operator, runtime)) for one in placed]
    elif dynamic and profile.rest == REFUSED:
        placed = [_Placed(one.operator, NOWHERE) for one in placed]
    elif dynamic:
        placed = [_left(one.operator, profile, "") for one in placed]
    io = _io(graph, profile)
    unreadable = _unreadable(io, profile)
    verdict = _verdict(placed, profile, refused=unreadable is not None)
    notes = [*_notes(placed, profile), *_batch_notes(graph, profile), *_runtime_notes(graph)]
    taken = sum(one.where == profile.processor for one in placed)
    groups = _grouped(placed, layers_or_edges(graph, operators, layers), profile)
    refusal = old or unreadable or (_dynamic_text(dynamic, profile) if dynamic else None)
    return Judgement(
        profile=profile.name,
        runtime=runtime,
        verdict=verdict,
        summary=summarize(verdict, groups, profile, refusal),
        taken=taken,
        total=len(placed),
        operators=groups,
        io=io,
        notes=tuple(dict.fromkeys(notes)),
        advice=advice(
            verdict, groups, profile, io=io if unreadable else (), old=old is not None, open_shapes=bool(dynamic)
        ),
    )


def _version(given: str | None) -> str | None:
    if given is None:
        return None
    try:
        version_key(given)
    except ValueError:
        raise UsageError(f"'{given}' is not a version of a runtime.", fix="Write numbers, such as 2.16.1.") from None
    return given


def compute_of(operator: Operator) -> str:
    """Returns what an operator computes in, of a conversion 'float32 to int8'."""
    return f"{operator.reads} to {operator.writes}" if operator.compute == "conversion" else operator.compute


def _place(operator: Operator, profile: Profile) -> _Placed:
    rules = profile.rules(operator.name)
    compute = compute_of(operator)
    fitting = [rule for rule in rules if compute in rule.types or (ANY in rule.types and "bfloat16" not in compute)]
    if not fitting:
        return _left(operator, profile, _untaken(operator, rules, profile))
    rule = next((one for one in fitting if _takes_stride(one, operator)), fitting[0])
    allowed = rule.weights or profile.weights
    if operator.weights and operator.weights not in allowed:
        return _left(
            operator, profile, f"its weights are {operator.weights}; the {profile.processor} takes {either(allowed)}"
        )
    if rule.max_version is not None and operator.version > rule.max_version:
        return _left(
            operator,
            profile,
            f"of version {operator.version}; the {profile.processor} has versions up to {rule.max_version}",
        )
    if rule.strides is not None and not _takes_stride(rule, operator):
        strides = either(map(str, rule.strides))
        return _left(operator, profile, f"its stride is {operator.stride}; the {profile.processor} takes {strides}")
    if not rule.certain:
        return _Placed(operator, UNKNOWN, rule.condition, rule)
    return _Placed(operator, profile.processor, rule=rule)


def _takes_stride(rule: Rule, operator: Operator) -> bool:
    return rule.strides is None or not operator.stride or operator.stride in rule.strides


def _untaken(operator: Operator, rules: Sequence[Rule], profile: Profile) -> str:
    """Says why no rule takes an operator."""
    compute, there = compute_of(operator), f"the {profile.processor}"
    if operator.compute == "conversion" and (rules or is_builtin(operator.name)):
        return f"{there} does not convert {compute}"
    if rules and any(compute in rule.types for rule in profile.operators):
        types = either(dict.fromkeys(shown_type(each) for rule in rules for each in rule.types if " to " not in each))
        return f"in {shown_type(compute)}; {there} takes it in {types}"
    if rules:
        return f"{there} does not compute in {shown_type(compute)}"
    if is_builtin(operator.name):
        return f"{there} has no such operator"
    if operator.name.startswith("Flex"):
        return "an operator of TensorFlow, which needs the Flex delegate in the app"
    if operator.name.startswith("BUILTIN_"):
        return "an operator that is newer than this version of the kit"
    return "a custom operator, whose kernel the app must bring"


def _left(operator: Operator, profile: Profile, why: str) -> _Placed:
    """Returns where an operator runs that the processor does not take."""
    if profile.rest != REFUSED:
        beside = _place(operator, load_profile(profile.rest))
        if beside.where == NOWHERE:
            return _Placed(operator, NOWHERE, f"{why}, nor does the CPU beside it")
        return _Placed(operator, CPU if beside.where != UNKNOWN else UNKNOWN, why)
    if profile.takes_any and not is_builtin(operator.name):
        return _Placed(operator, UNKNOWN, why)
    return _Placed(operator, NOWHERE, why)


def _one_partition(placed: list[_Placed], profile: Profile) -> list[_Placed]:
    """Leaves what stands behind the last piece of a model that the hardware takes."""
    if profile.partitions is None:
        return placed
    pieces, inside, found = 0, False, []
    for one in placed:
        taken = one.where == profile.processor
        pieces += taken and not inside
        inside = taken
        if taken and pieces > profile.partitions:
            limit = "one piece of a model" if profile.partitions == 1 else f"{profile.partitions} pieces of a model"
            why = f"behind an operator that stays on the CPU, and the {profile.processor} takes {limit}"
            one = _left(one.operator, profile, why)  # noqa: PLW2901
        found.append(one)
    return found


def _too_old(graph: Graph, runtime: str | None) -> str | None:
    """Returns why the runtime would not load the file."""
    needed = graph.min_runtime_version
    if not _newer(needed, runtime):
        return None
    silent = " (FULLY_CONNECTED with a scale for each channel, which older ones compute wrongly)"
    newest = next((f" ({op.name} version {op.version})" for op in graph.ops if _first_runtime(op) == needed), "")
    newest = newest or (silent if needed == PER_CHANNEL_FULLY_CONNECTED else "")
    return f"it needs TensorFlow Lite {needed} or newer{newest}, and the runtime there is {runtime}"


def _since(operator: Operator, runtime: str | None) -> str:
    """Returns which runtime an operator came with, where it is newer than the one there."""
    first = _first_runtime(operator)
    return f"version {operator.version} came with TensorFlow Lite {first}" if _newer(first, runtime) else ""


def _first_runtime(operator: Operator | OpCount) -> str | None:
    return minimum_runtime_version([(operator.name, operator.version)])[0]


def _newer(version: str | None, runtime: str | None) -> bool:
    return version is not None and runtime is not None and version_key(version) > version_key(runtime)


def _open(graph: Graph, profile: Profile) -> tuple[str, ...]:
    """Returns the names of tensors whose shapes are open where the hardware wants them fixed."""
    if profile.open_shapes == "taken":
        return ()
    if profile.open_shapes == "inside":
        return tuple(spec.name for _, specs in _edges(graph) for spec in specs if -1 in spec.shape)
    return graph.open_beyond_batch if profile.open_shapes == "batch" else graph.dynamic_tensors


def _dynamic_text(names: Sequence[str], profile: Profile) -> str:
    one, *more = names
    told = f"'{one}' and {len(more)} more have open ones" if more else f"'{one}' has an open one"
    who = profile.runtime.name if profile.open_shapes == "inside" else f"the {profile.processor}"
    return f"{who} takes fixed shapes only, and {told}"


def _io(graph: Graph, profile: Profile) -> tuple[IoJudgement, ...]:
    """Returns the inputs and outputs of other types than those that the hardware takes."""
    numbers = ("float", "bfloat", "int8", "uint8", "int16")
    found = [
        IoJudgement(role=role, name=spec.name, dtype=spec.dtype)
        for role, specs in _edges(graph)
        for spec in specs
        if spec.dtype not in profile.io and (profile.other_io == REFUSED or spec.dtype.startswith(numbers))
    ]
    return tuple(found)


def _edges(graph: Graph) -> tuple[tuple[Role, tuple[TensorSpec, ...]], ...]:
    return ("input", graph.inputs), ("output", graph.outputs)


def _unreadable(io: Sequence[IoJudgement], profile: Profile) -> str | None:
    """Returns which input or output nobody can fill or read there."""
    if profile.other_io != REFUSED or not io:
        return None
    return f"{profile.runtime.name} has no {io[0].dtype} tensors for the {io[0].role} '{io[0].name}', only {either(profile.io)}"


def _verdict(placed: Iterable[_Placed], profile: Profile, *, refused: bool) -> Verdict:
    placed = list(placed)
    places = {one.where for one in placed}
    if refused or NOWHERE in places:
        return "would not run"
    if CPU in places and profile.processor != CPU:
        return "falls back"
    if UNKNOWN in places:
        return "not known"
    if any(compute_of(one.operator) in profile.arithmetic for one in placed):
        return "computes otherwise"
    return "runs"


def _notes(placed: Iterable[_Placed], profile: Profile) -> Iterable[str]:
    """Says what is special about types, and what of the profile could not be checked."""
    for one in placed:
        compute = compute_of(one.operator)
        if one.where == profile.processor:
            if compute in profile.arithmetic:
                yield (
                    f"Operators that compute in {shown_type(compute)} are computed in {profile.arithmetic[compute]} there, so "
                    "accuracy that was measured elsewhere is not that of this hardware."
                )
            if one.rule is not None and one.rule.condition:
                yield f"Not checked, {one.operator.name}: {one.rule.condition}."
        if compute in profile.notes:
            yield profile.notes[compute]


def _batch_notes(graph: Graph, profile: Profile) -> Iterable[str]:
    if profile.open_shapes == "batch" and graph.dynamic_tensors:
        yield "The file leaves the size of the batch open; there it is 1, and cannot be changed."


def _runtime_notes(graph: Graph) -> Iterable[str]:
    if graph.unknown_op_versions:
        unknown = ", ".join(graph.unknown_op_versions)
        yield f"Since which runtime there is {unknown} is not known to the kit, so the version could not be checked."


def _grouped(placed: Sequence[_Placed], labels: Sequence[str], profile: Profile) -> tuple[OperatorGroup, ...]:
    """Joins operators of one kind that fare alike, those that are not taken first."""
    groups: dict[tuple[str, str, str, str], list[str]] = {}
    for one, label in zip(placed, labels, strict=True):
        groups.setdefault((one.operator.name, compute_of(one.operator), one.where, one.why), []).append(label)
    found = [
        OperatorGroup(
            op=op,
            compute=compute,
            count=len(named),
            where=where,
            why=why,
            layers=tuple(filter(None, named)) if where != profile.processor else (),
        )
        for (op, compute, where, why), named in groups.items()
    ]
    return tuple(sorted(found, key=lambda group: group.where == profile.processor))
