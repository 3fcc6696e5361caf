"""Loads the models that people have and brings each into the one form that the schemes convert from:
a SavedModel with a single signature, fixed batch, and inputs and outputs by name.

TensorFlow is imported inside the functions that run in a worker; `identify` does without.
"""

from __future__ import annotations

import hashlib
import logging
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tflitekit.core.errors import ModelError, UnreadableError, UsageError
from tflitekit.core.files import content_hash, is_folder, open_file
from tflitekit.core.tensor import TensorSpec
from tflitekit.core.user_code import find_source, load_module, own_objects
from tflitekit.source.allowlist import named_beyond
from tflitekit.source.keras_config import loadable, with_suffix, without_compile
from tflitekit.source.keras_file import read_archive_config, read_hdf5_config, refuse_outside_data, refuse_two_models
from tflitekit.source.precision import as_float32
from tflitekit.source.saved_model_file import refuse_file_operators

__all__ = [
    "PreparedSource",
    "SourceFile",
    "export_model",
    "hash_model",
    "identify",
    "import_custom_objects",
    "load_model",
    "module_hash",
    "prepare",
    "require_layers",
    "require_numbers",
]

Kind = Literal["keras", "hdf5", "saved_model"]
SIGNATURE = "serving_default"
_CONFIG_DUMP = re.compile(r"\s*(?:Full object config: |config=)\{")
_UNKNOWN_CLASS = re.compile(r"(?:Could not locate class|Unknown layer:?) '?(\w+)")
_MOST_FROZEN_BYTES = 1 << 30

_LAMBDA_MEANING = (
    "A Lambda layer carries Python code inside the file; loading it runs that code with your rights "
    "(see CVE-2025-1550 and CVE-2025-9905)."
)
_NAME_LAYERS = (
    "Layers of your own: give the module that defines them with --custom-objects MODULE. "
    "Otherwise load it where it was made and export it with model.export(folder)."
)
_SAVE_AS_KERAS = (
    "Save it again where it was made, with model.save('name.keras'): an .h5 file of Keras 3 keeps layers only. "
    "Layers of your own: give the module that defines them with --custom-objects MODULE."
)
_UNBUILT_FIX = (
    "Wrap it before saving: inputs = keras.Input(shape); keras.Model(inputs, model(inputs)); or export it as a "
    "SavedModel with model.export(folder); or give its input shape with --input-shape 224,224,3. None of these makes it "
    "trainable here: for schemes that train, write it as a Functional model of the same layers, and copy the weights."
)


class PreparedSource(BaseModel):
    """What the loader found; written beside the exported SavedModel.

    Attributes:
        loader: What loaded it: 'keras 3.x', 'tf_keras 2.x' or 'tensorflow SavedModel'.
        outputs: In the model's own order (by name for SavedModels and dicts, which have none); the first one is scored
            unless another is named.
        layers: The names of all layers and operations, those of nested models too.
        loops: The names of operations that run in a loop, as of a recurrent layer, with their scopes.
        notes: What users should know, such as a fall-back to tf_keras.
    """

    model_config = ConfigDict(frozen=True)

    kind: str
    loader: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    parameters: int
    layers: tuple[str, ...] = ()
    loops: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SourceFile:
    """A model on disk, recognised by its content."""

    path: Path
    kind: Kind
    sha256: str


def identify(path: str | Path) -> SourceFile:
    """Recognises a model without loading it.

    Raises:
        ModelError: It is missing, or of a kind that the kit does not convert.
    """
    path = Path(path)
    if is_folder(path):
        if (path / "saved_model.pb").is_file() or (path / "saved_model.pbtxt").is_file():
            return SourceFile(path, "saved_model", content_hash(path))
        raise ModelError(
            f"The folder {path} is not a SavedModel.", why="It has no saved_model.pb.", fix=f"Give {_KINDS}."
        )
    try:
        with open_file(path) as stream:
            head = stream.read(8)
    except UnreadableError as error:
        if error.missing:
            raise ModelError(f"There is no model at {path}.") from error
        raise ModelError(f"The model {path} cannot be read: {error.reason}.", fix=f"Give {_KINDS}.") from error
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return SourceFile(path, "hdf5", content_hash(path))
    if head.startswith(b"PK"):
        read_archive_config(path)
        return SourceFile(path, "keras", content_hash(path))
    if head[4:8] == b"TFL3":
        raise ModelError(
            f"{path} is a TensorFlow Lite model already.",
            fix="Measure it with 'tflitekit evaluate', 'benchmark' or 'inspect'; converting needs the Keras model.",
        )
    if path.suffix.lower() in (".keras", ".h5", ".hdf5"):
        raise ModelError(
            f"The model {path} is damaged or cut short.",
            why=f"Its {path.stat().st_size:,} bytes do not begin as a {path.suffix} file does.",
            fix="Copy it again or save it again with model.save().",
        )
    raise ModelError(f"{path} is not a model of a kind that the kit converts.", fix=f"Give {_KINDS}.")


def require_layers(found: SourceFile) -> None:
    """Refuses a model that cannot be trained by layers.

    Raises:
        ModelError: It is a SavedModel.
    """
    if found.kind == "saved_model":
        raise ModelError(
            f"{found.path} is a SavedModel, which has no layers any more.",
            why="Compression while training needs the layers and their weights.",
            fix="Give the Keras model: model.save('name.keras').",
        )


def require_numbers(inputs: Sequence[TensorSpec]) -> None:
    """Refuses a model that cannot be trained because it takes text.

    Raises:
        ModelError: An input is a string.
    """
    text = [spec.name for spec in inputs if spec.is_text]
    if text:
        raise ModelError(
            f"The model takes text ({', '.join(text)}), and training here takes numbers.",
            fix="Train the part behind the lookup, a model of its own that takes the looked-up numbers; or convert without training.",
        )


_KINDS = "a Keras model (.keras or .h5, whole, not weights only) or a SavedModel folder"


def prepare(
    path: str,
    *,
    kind: Kind,
    folder: str,
    batch: int,
    unsafe_load: bool,
    signature: str | None,
    input_shapes: Mapping[str, Sequence[int]],
    custom_objects: str | None,
) -> dict[str, Any]:
    """Loads a model and exports it for the schemes (runs in a worker).

    Returns:
        A `PreparedSource` as JSON.
    """
    if kind == "saved_model":
        if not unsafe_load:
            refuse_file_operators(Path(path))
        prepared = _prepare_saved_model(Path(path), Path(folder), batch, signature, input_shapes)
    else:
        model, notes = load_model(Path(path), kind=kind, unsafe_load=unsafe_load, custom_objects=custom_objects)
        prepared = export_model(
            model, Path(folder), batch=batch, input_shapes=input_shapes, kind=kind, notes=notes, origin=path
        )
    return prepared.model_dump(mode="json")


def load_model(
    path: Path, *, kind: Kind, unsafe_load: bool, custom_objects: str | None, keras2: bool = False
) -> tuple[Any, list[str]]:
    """Loads a Keras file in safe mode, with Keras 3 or else with tf_keras (Keras 2).

    Args:
        custom_objects: Module with the model's own layers.
        keras2: Load a file that Keras 2 wrote with tf_keras first, for what needs a tf_keras model anyway.

    Returns:
        The model object, and what users should know.

    Raises:
        ModelError: It has Lambda layers, which run code (unless ``unsafe_load``), or cannot be loaded.
    """
    objects = import_custom_objects(custom_objects)
    config = read_archive_config(path) if kind == "keras" else read_hdf5_config(path)
    if not unsafe_load:
        refuse_two_models(path)
        _refuse_lambda(path, config)
        _refuse_beyond(path, without_compile(config), objects)
        refuse_outside_data(path)
    if keras2 and kind == "hdf5" and _keras_version(path).startswith("2"):
        import tf_keras

        try:
            model = tf_keras.models.load_model(
                str(path), custom_objects=objects, compile=False, safe_mode=not unsafe_load
            )
            return as_float32(model, objects)
        except Exception:  # noqa: BLE001 - the usual way gives the reasons of both
            pass
    suffixes = (".keras",) if kind == "keras" else (".h5", ".hdf5")
    with (
        with_suffix(path, suffixes) as named,
        loadable(named, config) if kind == "keras" else nullcontext(named) as file,
    ):
        model, notes = _load_keras(file, path, objects, unsafe_load)
    model, precision = as_float32(model, objects)
    return model, [*notes, *precision]


def _keras_version(path: Path) -> str:
    """Returns which Keras wrote an HDF5 file; empty for other files, and where it does not say."""
    import h5py

    if not h5py.is_hdf5(path):
        return ""
    with h5py.File(path, "r") as file:
        version = file.attrs.get("keras_version", "")
    return version.decode() if isinstance(version, bytes) else str(version)


@contextmanager
def without_loggers() -> Iterator[None]:
    """Keeps what TensorFlow and Keras log below errors off standard error: a model object is exported in the user's process."""
    loggers = [logging.getLogger(name) for name in ("absl", "tensorflow")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@without_loggers()
def export_model(
    model: Any,
    folder: Path,
    *,
    batch: int,
    input_shapes: Mapping[str, Sequence[int]],
    kind: str = "model object",
    notes: Sequence[str] = (),
    origin: str = "the model",
) -> PreparedSource:
    """Exports a Keras 3 or tf_keras model object as a SavedModel with a fixed batch and named tensors.

    Raises:
        ModelError: It has no input shapes, or weights that are not finite.
    """
    import tensorflow as tf

    is_keras3 = type(model).__module__.startswith("keras.") or _inherits(model, "keras.src")
    if not is_keras3 and not _inherits(model, "tf_keras"):
        if isinstance(model, tf.Module | tf.keras.layers.Layer):
            fix = "Save it with tf.saved_model.save and give the folder."
        else:
            fix = f"Give {_KINDS}, or a Keras model object."
        raise ModelError(f"{origin} is a {type(model).__name__}, not a Keras model.", fix=fix)
    model, precision = as_float32(model)
    notes = [*notes, *precision]
    specs, pack, output_names = _keras_interface(model, is_keras3, batch, input_shapes, origin)
    _check_finite(((getattr(w, "path", w.name), w) for w in model.weights), origin)
    flatten = _tree(is_keras3).flatten

    def serve(*flat: Any) -> dict[str, Any]:
        outputs = flatten(model(pack(flat), training=False))
        names = output_names or _default_names(len(outputs))
        return dict(zip(names, outputs, strict=True))

    function = tf.function(serve, input_signature=specs)
    with _named_operations(model):
        concrete = function.get_concrete_function()
    frozen = _freeze(concrete, model)
    if is_keras3:
        import keras

        loader = f"keras {keras.__version__}"
    else:
        import tf_keras

        loader = f"tf_keras {tf_keras.__version__}"
    if frozen is not None:
        signatures = {SIGNATURE: tf.function(frozen, input_signature=specs)}
        tf.saved_model.save(tf.Module(), str(folder), signatures=signatures, options=_without_gradients())
    elif is_keras3:
        archive = keras.export.ExportArchive()
        archive.track(model)
        archive.add_endpoint(SIGNATURE, function)
        archive.write_out(str(folder), options=_without_gradients(), verbose=False)
    else:
        tf.saved_model.save(model, str(folder), signatures={SIGNATURE: function}, options=_without_gradients())
    found = concrete.structured_outputs
    inputs = tuple(_spec(spec.name, spec) for spec in specs)
    outputs = tuple(_spec(name, found[name]) for name in (output_names or sorted(found)))
    notes += _dynamic_notes(inputs)
    return PreparedSource(
        kind=kind,
        loader=loader,
        inputs=inputs,
        outputs=outputs,
        parameters=int(model.count_params()),
        layers=tuple(_layer_names(model)),
        loops=_loops(concrete.graph),
        notes=tuple(notes),
    )


def _without_gradients() -> Any:
    """Returns options that leave out custom gradients: nothing trains on the export, and TensorFlow cannot save that of swish
    in a frozen graph."""
    import tensorflow as tf

    return tf.saved_model.SaveOptions(experimental_custom_gradients=False)


def _layer_names(model: Any) -> Iterator[str]:
    for layer in getattr(model, "operations", None) or getattr(model, "layers", None) or ():
        yield str(layer.name)
        yield from _layer_names(layer)


@contextmanager
def _named_operations(model: Any) -> Iterator[None]:
    """Puts what functions of Keras 3 compute (``keras.ops``, ``x + y``) below their names, as the layers' computations are."""
    named = list(_operations(model))
    for operation in named:
        operation.call = _in_scope(operation.name, operation.call)
    try:
        yield
    finally:
        for operation in named:
            del operation.call


def _in_scope(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    import tensorflow as tf

    def scoped(*arguments: Any, **options: Any) -> Any:
        with tf.name_scope(name):
            return call(*arguments, **options)

    return scoped


def _operations(model: Any) -> Iterator[Any]:
    """Yields the operations of a Keras 3 model, and of models inside of it, that are no layers."""
    for operation in getattr(model, "operations", ()):
        if hasattr(operation, "weights"):
            yield from _operations(operation)
        elif "call" not in vars(operation):
            yield operation


def _loops(graph: Any) -> tuple[str, ...]:
    return tuple(op.name for op in graph.get_operations() if op.type in ("While", "StatelessWhile"))


def hash_model(model: Any) -> str:
    """Returns the SHA-256 of a model object's architecture and weights.

    Raises:
        ModelError: It is no Keras model.
    """
    if not hasattr(model, "weights"):
        raise ModelError(f"A {type(model).__name__} is not a model.", fix=f"Give {_KINDS}, or a Keras model object.")
    digest = hashlib.sha256()
    try:
        digest.update(model.to_json().encode())
    except (NotImplementedError, TypeError, ValueError):  # subclassed models have no configuration
        digest.update(type(model).__qualname__.encode())
    for weight in model.weights:
        values = weight.numpy()
        digest.update(f"{values.dtype}{values.shape}".encode() + values.tobytes())
    return digest.hexdigest()


def _freeze(concrete: Any, model: Any) -> Callable[..., dict[str, Any]] | None:
    """Turns variables into constants once, instead of once per scheme; None where that could change the graph.

    A graph with control flow or inner functions is left as it is: tf_keras marks its LSTM and GRU functions for the
    converter, which fuses them into one operator, and freezing would inline them. Lookup tables are no variables and stay
    what they are. Protobuf ends at 2 GiB.
    """
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    size = sum(int(weight.numpy().nbytes) for weight in model.weights)
    if size > _MOST_FROZEN_BYTES or len(concrete.graph.as_graph_def().library.function):
        return None
    constant = convert_variables_to_constants_v2(concrete)
    if len(constant.inputs) > len(concrete.structured_input_signature[0]):
        return None
    names = sorted(concrete.structured_outputs)

    def serve(*flat: Any) -> dict[str, Any]:
        outputs = constant(*flat)
        return dict(outputs) if isinstance(outputs, dict) else dict(zip(names, outputs, strict=True))

    return serve


def _inherits(model: Any, package: str) -> bool:
    return any(
        base.__module__.split(".")[0] == package or base.__module__.startswith(package) for base in type(model).__mro__
    )


def _tree(is_keras3: bool) -> Any:
    if is_keras3:
        import keras

        return keras.tree
    import tensorflow as tf

    return tf.nest


def _default_names(count: int) -> list[str]:
    return ["output"] if count == 1 else [f"output_{i}" for i in range(count)]


def _keras_interface(
    model: Any, is_keras3: bool, batch: int, input_shapes: Mapping[str, Sequence[int]], origin: str
) -> tuple[list[Any], Callable[[Sequence[Any]], Any], list[str] | None]:
    """Returns the input specs, a function that packs flat inputs into the model's structure, and output names."""
    import tensorflow as tf

    tensors = list(_attribute(model, "inputs") or ())
    if not tensors:
        if len(input_shapes) != 1 or "" not in input_shapes:
            raise ModelError(
                f"{origin} has no input shapes: it is a subclassed or unbuilt model.",
                why="The converter must know the shape of every input.",
                fix=_UNBUILT_FIX,
            )
        return [tf.TensorSpec([batch, *input_shapes[""]], tf.float32, name="input")], lambda flat: flat[0], None
    names = [t.name for t in tensors] if is_keras3 else list(model.input_names)
    given = dict(input_shapes)
    if "" in given:
        if len(names) != 1:
            raise UsageError(
                f"{origin} has several inputs.", fix=f"Write --input-shape NAME=1,2,3 ({', '.join(names)})."
            )
        given[names[0]] = given.pop("")
    unknown = set(given) - set(names)
    if unknown:
        raise UsageError(f"{origin} has no input '{unknown.pop()}'.", fix=f"Its inputs are {', '.join(names)}.")
    specs = []
    for name, tensor in zip(names, tensors, strict=True):
        shape = [batch, *given.get(name, tuple(tensor.shape)[1:])]
        specs.append(tf.TensorSpec(shape, tensor.dtype, name=name))
    structure = _attribute(model, "input")
    if structure is None:  # a Keras 3 Sequential model has .inputs and no .input
        structure = tensors[0] if len(tensors) == 1 else tensors
    output = _attribute(model, "output")
    names = _attribute(model, "output_names") or [model.layers[-1].name]
    output_names = sorted(output) if isinstance(output, dict) else _unique(list(names))
    tree = _tree(is_keras3)
    return specs, lambda flat: tree.pack_sequence_as(structure, list(flat)), output_names


def _attribute(model: Any, name: str) -> Any:
    """Returns an attribute that Keras defines only for models that are built, or None."""
    try:
        return getattr(model, name)
    except (AttributeError, ValueError):
        return None


def _unique(names: list[str]) -> list[str]:
    """Appends a number to repeated names (a shared layer that gives two outputs, say)."""
    return [name if names.index(name) == i else f"{name}_{i}" for i, name in enumerate(names)]


def _spec(name: str, tensor: Any) -> TensorSpec:
    rank = tensor.shape.rank
    shape = () if rank is None else tuple(-1 if d is None else int(d) for d in tensor.shape.as_list())
    return TensorSpec(name=name, shape=shape, dtype=tensor.dtype.name)


def _dynamic_notes(inputs: Sequence[TensorSpec]) -> list[str]:
    return [
        f"The input '{spec.name}' has the dynamic shape {list(spec.shape)}; delegates want fixed shapes "
        "(fix it with --input-shape)."
        for spec in inputs
        if -1 in spec.shape
    ]


def _check_finite(weights: Iterator[tuple[str, Any]], origin: str) -> None:
    import numpy as np

    bad = []
    for name, variable in weights:
        values = variable.numpy()
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            bad.append(f"{name} ({int(np.count_nonzero(~np.isfinite(values)))} of {values.size})")
    if bad:
        raise ModelError(
            f"{origin} has weights that are NaN or infinite: {', '.join(bad[:5])}" + (", ..." if len(bad) > 5 else "."),
            why="Training diverged before it was saved, or the file is damaged.",
            fix="Save an earlier checkpoint.",
        )


def module_hash(module: str | None) -> str | None:
    """Returns the hash of the source of the user's module (or of a file), without importing it; its name where it is not found."""
    if module is None:
        return None
    path = find_source(module)
    return content_hash(path) if path is not None else module


def import_custom_objects(module: str | None, *, attribute: str = "custom_objects") -> dict[str, Any]:
    """Imports the user's module, which registers its layers with Keras, lists them in ``custom_objects``, or defines them.

    Raises:
        UsageError: It cannot be imported.
    """
    if module is None:
        return {}
    imported = load_module(module, "module of custom objects")
    objects = own_objects(imported) if attribute == "custom_objects" else {}
    return objects | dict(getattr(imported, attribute, {}))


def _refuse_lambda(path: Path, config: Any) -> None:
    found = sorted(set(_lambda_layers(without_compile(config))))
    if found:
        raise ModelError(
            f"The model {path} has Lambda layers ({', '.join(found)}), and the kit does not load those by itself.",
            why=_LAMBDA_MEANING,
            fix="If you trust where the file comes from, load it with --unsafe-load; better, replace the Lambda by a layer.",
        )


def _refuse_beyond(path: Path, config: Any, objects: Mapping[str, Any]) -> None:
    """Refuses a file that names functions, classes or files other than Keras's own and the user's."""
    import keras

    own = {*objects, *keras.saving.get_custom_objects()}
    if "tf_keras" in sys.modules:
        own |= set(sys.modules["tf_keras"].saving.get_custom_objects())
    found = named_beyond(config, own)
    dangerous = [named.what for named in found if not named.own]
    if dangerous:
        raise ModelError(
            f"The model {path} names {', '.join(dangerous[:5])}, and the kit runs nothing from a file but what computes.",
            why="What a file names runs while it loads, and it could read, change or delete your files.",
            fix="If you trust where the file comes from, load it with --unsafe-load.",
        )
    if any(_is_operation(named.what) for named in found) and _keras_version(path).startswith("3"):
        raise ModelError(
            f"The model {path} computes with operations that an .h5 file does not keep: {', '.join(named.what for named in found[:10])}.",
            why="Keras cannot load it again either. Masks (mask_zero=True) are such operations, and so is 'x + 1' on tensors.",
            fix=_SAVE_AS_KERAS,
        )
    if found:
        raise ModelError(
            f"The model {path} uses '{found[0].what}', which Keras does not know.",
            why=f"All that it names so: {', '.join(named.what for named in found[:10])}." if len(found) > 1 else None,
            fix=_SAVE_AS_KERAS if _keras_version(path).startswith("3") else _NAME_LAYERS,
        )


def _is_operation(class_name: str) -> bool:
    import keras

    return hasattr(keras.ops, re.sub(r"(?<!^)(?=[A-Z])", "_", class_name).lower())


def _lambda_layers(config: Any) -> Iterator[str]:
    """Finds Lambda layers, and marshalled Python functions anywhere else, in a model's configuration."""
    if isinstance(config, dict):
        name = config.get("class_name")
        if name in ("Lambda", "__lambda__") or _holds_code(config.get("config")):
            inner = config.get("config")
            yield str(inner.get("name", name)) if isinstance(inner, dict) else str(name)
            return
        for value in config.values():
            yield from _lambda_layers(value)
    elif isinstance(config, list):
        for value in config:
            yield from _lambda_layers(value)


def _holds_code(config: Any) -> bool:
    """Returns whether a function of a layer is stored as Python code, as Keras 2 does it in cells of recurrent layers too."""
    return isinstance(config, dict) and any(
        key.endswith("_type") and value == "lambda" for key, value in config.items()
    )


def _load_keras(file: Path, path: Path, custom_objects: dict[str, Any], unsafe_load: bool) -> tuple[Any, list[str]]:
    """Loads with Keras 3, then with tf_keras (Keras 2); ``path`` is the user's name of the file."""
    import keras

    try:
        model = keras.saving.load_model(file, custom_objects=custom_objects, compile=False, safe_mode=not unsafe_load)
        return model, []
    except Exception as error:  # noqa: BLE001 - any reason is shown if tf_keras fails too
        keras3_reason = _reason(error)
    try:
        import tf_keras

        model = tf_keras.models.load_model(
            str(file), custom_objects=custom_objects, compile=False, safe_mode=not unsafe_load
        )
    except Exception as error:
        unknown = _UNKNOWN_CLASS.search(keras3_reason)
        raise ModelError(
            f"The model {path} uses '{unknown.group(1)}', which Keras does not know."
            if unknown
            else f"Neither Keras 3 nor Keras 2 (tf_keras) can load {path}.",
            why=f"Keras {keras.__version__}: {keras3_reason}\ntf_keras: {_reason(error)}",
            fix=_SAVE_AS_KERAS if _keras_version(path).startswith("3") else _NAME_LAYERS,
        ) from error
    return model, [
        f"Keras {keras.__version__} could not load it ({keras3_reason[:160]}); loaded with tf_keras (Keras 2)."
    ]


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    text = text.rpartition("Exception encountered: ")[2] or text  # Keras puts the cause last, behind pages of config
    text = _CONFIG_DUMP.split(text)[0]
    return f"{type(error).__name__}: {text[:400]}" if text else type(error).__name__


def _prepare_saved_model(
    path: Path, folder: Path, batch: int, signature: str | None, input_shapes: Mapping[str, Sequence[int]]
) -> PreparedSource:
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(path))
    except Exception as error:
        raise ModelError(
            f"The SavedModel {path} cannot be loaded.", why=_reason(error), fix="Export it again."
        ) from error
    choices = list(loaded.signatures)
    key = signature or (SIGNATURE if SIGNATURE in choices else choices[0] if len(choices) == 1 else None)
    if key is None or key not in choices:
        raise ModelError(
            f"The SavedModel {path} has no signature '{key or SIGNATURE}'.",
            why=f"Its signatures: {', '.join(choices) or 'none'}.",
            fix="Choose one with --signature NAME." if choices else "Export the model with model.export(folder).",
        )
    function = loaded.signatures[key]
    variables = getattr(loaded, "variables", None) or function.variables
    _check_finite(((v.name, v) for v in variables), str(path))
    arguments = {name: spec for name, spec in function.structured_input_signature[1].items()}
    given = dict(input_shapes)
    if "" in given and len(arguments) == 1:
        given[next(iter(arguments))] = given.pop("")
    unknown = set(given) - set(arguments)
    if unknown:
        raise UsageError(f"{path} has no input '{unknown.pop()}'.", fix=f"Its inputs are {', '.join(arguments)}.")
    specs = []
    for name, spec in arguments.items():
        if spec.shape.rank is None and name not in given:
            raise ModelError(
                f"The input '{name}' of {path} has no shape.", fix=f"Give it: --input-shape {name}=224,224,3"
            )
        shape = [batch, *given[name]] if name in given else spec.shape.as_list()
        if name not in given and shape and shape[0] is None:
            shape[0] = batch
        specs.append(tf.TensorSpec(shape, spec.dtype, name=name))

    def serve(*flat: Any) -> dict[str, Any]:
        return dict(function(**{spec.name: value for spec, value in zip(specs, flat, strict=True)}))

    module = tf.Module()
    module.source = loaded
    exported = tf.function(serve, input_signature=specs)
    found = exported.get_concrete_function().structured_outputs
    tf.saved_model.save(module, str(folder), signatures={SIGNATURE: exported}, options=_without_gradients())
    inputs = tuple(_spec(spec.name, spec) for spec in specs)
    outputs = tuple(_spec(name, found[name]) for name in sorted(found))
    import numpy as np

    return PreparedSource(
        kind="saved_model",
        loader=f"tensorflow {tf.__version__} SavedModel",
        inputs=inputs,
        outputs=outputs,
        parameters=sum(int(np.prod(v.shape.as_list())) for v in variables),
        notes=tuple(_dynamic_notes(inputs)),
    )
