"""A judgement in words: what would happen in a sentence, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tflitekit.hardware.judgement import IoJudgement, OperatorGroup, Verdict
from tflitekit.hardware.profile import Profile, is_builtin

__all__ = ["advice", "either", "shown_type", "summarize"]

_MOST_REASONS, _MOST_LAYERS = 3, 3
_TYPES = {
    "hybrid": "float on integer weights (dynamic range)",
    "int16": "int16 (int16x8)",
    "index": "integers that are indices, shapes or conditions",
    "any": "any type",
}

_SCHEME_TYPES = {"int8": "int8", "int16x8": "int16", "float16": "float32"}


def shown_type(compute: str) -> str:
    """Returns what an operator computes in, in words."""
    return _TYPES.get(compute, compute)


def either(names: Iterable[str]) -> str:
    """Returns 'a, b or c'."""
    *rest, last = names
    return f"{', '.join(rest)} or {last}" if rest else last


def summarize(verdict: Verdict, groups: Sequence[OperatorGroup], profile: Profile, refusal: str | None) -> str:
    """Returns the verdict in a sentence.

    Args:
        refusal: Why nothing of the file is taken, whatever its operators are.
    """
    total = sum(group.count for group in groups)
    taken = sum(group.count for group in groups if group.where == profile.processor)
    if verdict == "would not run":
        stopping = [group for group in groups if group.where == "nothing"]
        return f"It would not run: {refusal or _reasons(stopping)}."
    if verdict == "falls back":
        left = [group for group in groups if group.where == "CPU"]
        staying = sum(group.count for group in left)
        what = (
            "Everything stays"
            if staying == total
            else f"{staying} of {total} operators stay{'s' if staying == 1 else ''}"
        )
        return f"{what} on the CPU: {refusal or _reasons(left)}."
    if verdict == "not known":
        depends = [group for group in groups if group.where == "not known"]
        return f"{taken} of {total} operators run on the {profile.processor}; not known: {_reasons(depends)}."
    if not total:
        return "It has no operators, so there is nothing to run."
    where = f"{f'All {total} operators run' if total != 1 else 'Its only operator runs'} on the {profile.processor}"
    if verdict == "computes otherwise":
        kinds = dict.fromkeys(group.compute for group in groups if group.compute in profile.arithmetic)
        changes = ", ".join(f"{shown_type(kind)} in {profile.arithmetic[kind]}" for kind in kinds)
        return f"{where}, but computed otherwise: {changes}."
    return f"{where}."


def _reasons(groups: Sequence[OperatorGroup]) -> str:
    """Names operators with their layers by why they are not taken."""
    by_reason: dict[str, list[OperatorGroup]] = {}
    for group in groups:
        by_reason.setdefault(group.why, []).append(group)
    said = [f"{', '.join(map(_named, some))}: {why}" for why, some in by_reason.items()]
    more = len(said) - _MOST_REASONS
    return "; ".join(said[:_MOST_REASONS]) + (f"; {more} more reason{'s' if more > 1 else ''}" if more > 0 else "")


def _named(group: OperatorGroup) -> str:
    """Returns '9 CONV_2D (conv1, conv2, conv3 and 6 more)'."""
    names = list(dict.fromkeys(group.layers))
    count = f"{group.count} " if group.count > 1 else ""
    if not names:
        return f"{count}{group.op}"
    more = f" and {len(names) - _MOST_LAYERS} more" if len(names) > _MOST_LAYERS else ""
    return f"{count}{group.op} ({', '.join(names[:_MOST_LAYERS])}{more})"


def advice(
    verdict: Verdict,
    groups: Sequence[OperatorGroup],
    profile: Profile,
    *,
    io: Sequence[IoJudgement],
    old: bool,
    open_shapes: bool,
) -> str | None:
    """Returns what to do next; None where there is nothing to do.

    Args:
        io: Inputs and outputs that nobody can fill or read there.
        old: Whether the runtime is too old for the file.
        open_shapes: Whether the hardware leaves it because shapes are open.
    """
    if old:
        return "Ship a newer runtime, or convert with operators that the older one has; 'tflitekit inspect' shows their versions."
    if io:
        return f"Convert with inputs and outputs of {either(profile.io)}."
    if open_shapes:
        return "Fix the shapes: convert with --input-shape, or with --batch 1 where only the batch is open."
    schemes = either(f"--scheme {scheme}" for scheme in profile.schemes)
    if verdict == "computes otherwise":
        return f"Convert with {schemes}, which it computes as it is, or measure the accuracy there."
    left = [
        group for group in groups if group.where in ("CPU", "nothing", "not known") and group.where != profile.processor
    ]
    if not left:
        return None
    if all(_at_edge(group) for group in left):
        return f"Convert with integer inputs and outputs: {schemes}."
    replace = f"Replace these layers in the model by others that the {profile.processor} has"
    if not all(is_builtin(group.op) for group in left):
        return f"{replace}." if verdict == "would not run" else f"{replace}, or bring kernels for them with the app."
    taken = {each for rule in profile.operators if rule.certain for each in rule.types}
    if all(group.compute not in taken for group in left if not _at_edge(group)):
        return f"Convert with {schemes}."
    curing = [scheme for scheme in profile.schemes if _takes_all(left, scheme, profile)]
    if curing:
        return f"Convert with {either(f'--scheme {scheme}' for scheme in curing)}."
    return f"{replace}." if verdict == "would not run" else f"{replace}, or accept that they run elsewhere."


def _takes_all(left: Iterable[OperatorGroup], scheme: str, profile: Profile) -> bool:
    """Whether the hardware has all these operators in the type that a scheme makes them compute in."""
    other = _SCHEME_TYPES.get(scheme.partition(":")[0])
    return all(
        _at_edge(group) or (group.compute != other and any(other in rule.types for rule in profile.rules(group.op)))
        for group in left
    )


def _at_edge(group: OperatorGroup) -> bool:
    """Whether it converts inputs or outputs."""
    return bool(group.layers) and all(layer.startswith(("input '", "output '")) for layer in group.layers)
