"""The registry of schemes. A scheme is one file in this folder: a function that sets up an engine, most often TensorFlow's converter.

The function's name is the scheme's name, its docstring is its help text, and its keyword-only parameters are its options.
A scheme that trains says in which stages; what comes out of them goes to the converter. Other packages add theirs by an entry
point of the group ``tflitekit.schemes``.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from tflitekit.core.answers import answering
from tflitekit.core.arguments import meant
from tflitekit.core.errors import UsageError
from tflitekit.core.registry import Registry
from tflitekit.schemes.asked_for import instead_of

__all__ = [
    "ENGINE",
    "ROUNDING",
    "EngineName",
    "Promise",
    "Recipe",
    "Request",
    "Scheme",
    "SearchName",
    "Stage",
    "available",
    "choices_of",
    "find",
    "parse_request",
    "parse_requests",
    "scheme",
]

Needs = Literal["nothing", "calibration", "training"]
EngineName = Literal["tflite_converter", "litert_quantizer"]
SearchName = Literal["mixed", "repaired"]


ENGINE = "engine"
"""The option of schemes that both engines make. What 'auto' is stands in `tflitekit.engines.choice`."""

ROUNDING = "rounding"
"""The option of schemes with integer weights that litert-quantizer can make: how weights are put on their grids. 'gptq' takes the
quantizer for all sources, and calibration data."""


@dataclass(frozen=True)
class Promise:
    """What a scheme says about the file that comes out; checked on the file.

    Attributes:
        io: Type of the inputs and outputs that are float in the source model.
        weights: Type of the (large) weights.
        integer_only: Whether every operator computes in integers.
        every_weight: Whether no convolution, dense layer or embedding may keep float weights.
    """

    io: str = "float32"
    weights: str = "float32"
    integer_only: bool = False
    every_weight: bool = False


@dataclass(frozen=True)
class Recipe:
    """What litert-quantizer makes of a float ``.tflite`` file.

    Attributes:
        weights: Type of the weights. Operators that cannot have 'int4' get 'int8'.
        activations: Type of the activations, measured on calibration samples; None leaves them float.
        block: How many weights share a scale in operators that can have blocks; 0 for one scale per channel.
        unpacked: Whether weights become float again before an operator computes, instead of computing on them as integers.
        io: Type of the inputs and outputs that are float in the source model.
        smallest: Weights with fewer elements stay float32.
        first_last: Type of the weights of the first and last layers where the others have 'int4'.
        rounding: How weights are put on their grids: each to its nearest value, or so that outputs change least on the
            calibration samples (see `tflitekit.engines.rounding`).
    """

    weights: Literal["float32", "float16", "int8", "int4"] = "float32"
    activations: Literal["int8", "int16"] | None = None
    block: int = 0
    unpacked: bool = False
    io: str = "float32"
    smallest: int = 0
    first_last: Literal["int4", "int8"] = "int4"
    rounding: Literal["nearest", "gptq"] = "nearest"

    @property
    def calibrated(self) -> bool:
        """Whether it looks at calibration samples."""
        return self.activations is not None or self.rounding == "gptq"


@dataclass(frozen=True)
class Stage:
    """One stage of training, on the model that the stage before it left.

    Attributes:
        kind: 'finetune' trains on; 'prune' and 'cluster' make zeros and few distinct weights; 'quantize' trains with the
            rounding of int8 in place and keeps what the stages before made.
        sparsity: Share of zeros in the compressed layers afterwards.
        clusters: Distinct weights in each compressed layer afterwards.
    """

    kind: Literal["finetune", "prune", "cluster", "quantize"]
    sparsity: float | None = None
    clusters: int | None = None


@dataclass(frozen=True)
class Scheme:
    """One way to compress a model.

    Attributes:
        check: Raises `UsageError` for values and combinations of options that cannot be.
        stages: From the options to what is trained before the conversion; none for schemes that do not train.
        calibrated: From the options to whether the converter needs calibration data.
        by_default: Whether `optimize` takes it when no scheme is named; those that train only with training data.
        recipe: From the options to what litert-quantizer does; None for schemes that only TensorFlow's converter makes.
        by_converter: Whether TensorFlow's converter makes it, where the source exports a SavedModel.
        search: The search that finds its file (see `tflitekit.search`); None for schemes that say what to make.
    """

    name: str
    summary: str
    help: str
    needs: Needs
    options: Mapping[str, tuple[Any, ...] | type]
    defaults: Mapping[str, Any]
    configure: Callable[..., None]
    check: Callable[[Mapping[str, Any]], None]
    promise: Callable[[Mapping[str, Any]], Promise]
    stages: Callable[[Mapping[str, Any]], tuple[Stage, ...]]
    calibrated: Callable[[Mapping[str, Any]], bool]
    caution: str | None
    by_default: bool
    recipe: Callable[[Mapping[str, Any]], Recipe] | None
    by_converter: bool
    search: SearchName | None


@dataclass(frozen=True)
class Request:
    """A scheme with its options; `name` names the variant and its file."""

    scheme: Scheme
    options: dict[str, Any]

    @property
    def stages(self) -> tuple[Stage, ...]:
        """What is trained before the conversion."""
        return self.scheme.stages(self.options)

    @property
    def calibrated(self) -> bool:
        """Whether the converter needs calibration data."""
        return self.scheme.calibrated(self.options)

    @property
    def own_options(self) -> dict[str, Any]:
        """The options of the scheme's function."""
        return _own(self.options)

    @property
    def name(self) -> str:
        """``int8``, or ``int8-io-uint8`` with options that differ from the defaults."""
        changed = {k: v for k, v in self.options.items() if v != self.scheme.defaults[k]}
        return "-".join([self.scheme.name, *(f"{key}-{as_given(value)}" for key, value in sorted(changed.items()))])


_TYPES = (bool, int, float, str)
"""What an option may be, beside one of several choices."""

_registry: Registry[Scheme] = Registry("scheme", __name__, "tflitekit.schemes")


def scheme(
    *,
    needs: Needs = "nothing",
    promise: Callable[[Mapping[str, Any]], Promise],
    check: Callable[[Mapping[str, Any]], None] = lambda options: None,
    stages: Callable[[Mapping[str, Any]], tuple[Stage, ...]] | None = None,
    calibrated: Callable[[Mapping[str, Any]], bool] | None = None,
    caution: str | None = None,
    by_default: bool = True,
    recipe: Callable[[Mapping[str, Any]], Recipe] | None = None,
    engine: EngineName = "tflite_converter",
    search: SearchName | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers a scheme.

    The function sets up a `tf.lite.TFLiteConverter`, whose calibration data are set already where the scheme needs them. It takes
    keyword-only options, each with a default and annotated with a `Literal` or a plain type.

    Args:
        needs: What it cannot do without.
        promise: From the options to what the finished file must keep.
        check: Raises `UsageError` for values and combinations of options that cannot be, before anything is converted or trained.
        stages: From the options to what is trained; for schemes that need training.
        calibrated: For schemes that need calibration data with some options only.
        caution: One sentence that every variant of the scheme carries as a warning.
        by_default: Whether `optimize` takes it when no scheme is named.
        recipe: From the options to what litert-quantizer does, for sources that are a float ``.tflite`` file, and for all with
            the option engine=litert_quantizer, which the scheme then has. With integer weights it has the option rounding too.
        engine: 'litert_quantizer' for schemes that only the quantizer makes: the function then takes the options alone, and
            returns the recipe.
        search: The search that finds its file; the recipe is then what it starts from.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        text = inspect.getdoc(function) or ""
        hints = typing.get_type_hints(function)
        parameters = [p for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]
        by_converter = engine == "tflite_converter"
        defaults = {p.name: p.default for p in parameters}
        plain = recipe if by_converter else lambda options: function(**_own(options))
        starts = plain(defaults) if plain is not None and search is None else Recipe()
        shared = _shared_options(starts, by_converter)
        one = Scheme(
            name=function.__name__,
            summary=text.split("\n", 1)[0],
            help=text,
            needs=needs,
            options={p.name: _choices(p, hints.get(p.name)) for p in parameters} | shared,
            defaults=defaults | {name: choices[0] for name, choices in shared.items()},
            configure=function,
            check=lambda options: _check(function.__name__, answering(check, type(None)), options),
            promise=answering(promise, Promise),
            stages=stages or (lambda options: ()),
            calibrated=calibrated or (lambda options: needs == "calibration" or options.get(ROUNDING) == "gptq"),
            caution=caution,
            by_default=by_default,
            recipe=plain and (lambda options: replace(plain(options), rounding=options.get(ROUNDING, "nearest"))),
            by_converter=by_converter,
            search=search,
        )
        _registry.add(one.name, one, function.__module__)
        return function

    return register


def _shared_options(recipe: Recipe, by_converter: bool) -> dict[str, tuple[str, ...]]:
    """Returns the options that a scheme has beside those of its function, with their choices; the first is the default."""
    found = {}
    if by_converter and recipe.weights != "float32":
        found[ENGINE] = ("auto", *typing.get_args(EngineName))
    if recipe.weights in ("int8", "int4"):
        found[ROUNDING] = ("nearest", "gptq")
    return found


def _own(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key not in (ENGINE, ROUNDING)}


def _check(name: str, own: Callable[[Mapping[str, Any]], None], options: Mapping[str, Any]) -> None:
    own(options)
    if options.get(ROUNDING) == "gptq" and options.get(ENGINE) == "tflite_converter":
        raise UsageError(
            f"{name}: rounding=gptq is done before litert-quantizer, and engine=tflite_converter asks for TensorFlow's converter.",
            fix="Leave one of them out.",
        )


def _choices(option: inspect.Parameter, hint: Any) -> tuple[Any, ...] | type:
    if option.default is option.empty:
        raise UsageError(f"The option '{option.name}' has no default.")
    if typing.get_origin(hint) is Literal:
        return typing.get_args(hint)
    if hint not in _TYPES:
        raise UsageError(f"The option '{option.name}' is annotated with neither a Literal nor bool, int, float or str.")
    return hint  # type: ignore[no-any-return]


def available() -> dict[str, Scheme]:
    """Returns all schemes by name, the kit's own first, in a fixed order."""
    order = [
        "float32", "float16", "dynamic_range", "int8", "int8_float_fallback", "int16x8", "weight_only_int8", "weight_only_int4",
        "dynamic_int4", "int4x8", "mixed", "repaired", "finetuned", "qat", "pruned",
        "clustered", "pruned_qat", "clustered_qat", "pruned_clustered_qat",
    ]  # fmt: skip
    return dict(
        sorted(_registry.all().items(), key=lambda item: (order.index(item[0]) if item[0] in order else 99, item[0]))
    )


def find(name: str) -> Scheme:
    """Returns a scheme by name.

    Raises:
        UsageError: There is none of that name.
    """
    schemes = available()
    if name not in schemes:
        if (known := instead_of(name)) is not None:
            raise UsageError(f"There is no scheme '{name}'.", why=known[0], fix=known[1])
        raise UsageError(
            f"There is no scheme '{name}'.",
            fix=f"{meant(name, schemes)}Choose from: {', '.join(schemes)} (see 'tflitekit schemes').",
        )
    return schemes[name]


def parse_requests(schemes: Iterable[str | Request], rounding: str | None) -> list[Request]:
    """Does as `parse_request` for several.

    Args:
        rounding: Of all schemes that have the option and are not told theirs; None leaves it at its default.

    Raises:
        UsageError: As `parse_request`, and for a rounding that no scheme has.
    """
    found = [parse_request(text, {ROUNDING: rounding} if rounding else {}) for text in schemes]
    if rounding and not any(ROUNDING in request.options for request in found):
        able = ", ".join(name for name, scheme in available().items() if ROUNDING in scheme.options)
        raise UsageError(
            f"No scheme of {', '.join(request.name for request in found)} has a choice of rounding.",
            fix=f"Leave out --rounding, or take one of {able}.",
        )
    return found


def parse_request(text: str | Request, given: Mapping[str, Any] | None = None) -> Request:
    """Reads ``name`` or ``name:option=value,option=value``.

    Args:
        given: Values instead of the defaults, of options that the scheme may have.

    Raises:
        UsageError: Unknown scheme, unknown option or a value that the option does not take.
    """
    if isinstance(text, Request):
        return text
    name, _, rest = text.partition(":")
    found = find(name.strip())
    options = {name: (given or {}).get(name, value) for name, value in found.defaults.items()}
    for part in filter(None, rest.split(",")):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if key not in options or not equals:
            known = ", ".join(f"{k}={'|'.join(choices_of(v))}" for k, v in found.options.items())
            raise UsageError(
                f"The scheme '{name}' has no option '{key}'.",
                fix=f"Its options: {known or 'none'}, as in {name}:option=value.",
            )
        options[key] = _parse_value(name, key, value, found.options[key])
    found.check(options)
    return Request(found, options)


def as_given(value: Any) -> str:
    """Returns a value of an option as users write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def choices_of(choice: tuple[Any, ...] | type) -> tuple[str, ...]:
    """Returns the values that an option takes, as users write them; the type where there are too many."""
    if choice is bool:
        return "true", "false"
    return tuple(map(as_given, choice)) if isinstance(choice, tuple) else (choice.__name__,)


def _parse_value(name: str, key: str, value: str, choice: tuple[Any, ...] | type) -> Any:
    if isinstance(choice, tuple):
        for allowed in choice:
            if str(allowed) == value:
                return allowed
    elif choice is bool:
        if value in ("true", "false"):
            return value == "true"
    else:
        try:
            return choice(value)
        except ValueError:
            pass
    raise UsageError(
        f"'{value}' is not a value of the option {key} of the scheme '{name}'.",
        fix=f"It takes {' or '.join(choices_of(choice))}.",
    )
