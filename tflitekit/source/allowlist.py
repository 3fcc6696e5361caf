"""What the configuration of a Keras model may name without ``--unsafe-load``: Keras's own classes, functions that only
compute, and what the user's own module defines. Looked at before anything is built; nothing is imported for it.

Keras looks names up in whole packages, and Keras 2 even imports the module that a file names. A layer of Keras 2
(``TFOpLambda``) calls any function of TensorFlow with arguments from the file, while the file loads.
"""

from __future__ import annotations

import builtins
import re
import sys
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tflitekit.core.files import shortened
from tflitekit.source.keras_names import CLASSES, RAGGED_MEMBERS, TENSORFLOW_FUNCTIONS

__all__ = ["REFUSED_OPERATORS", "Named", "may_compute", "named_beyond"]

_PURE_MODULES = re.compile(
    r"(math|nn|linalg|signal|image|strings|ragged|sparse|sets|bitwise|dtypes|quantization|audio|__operators__"
    r"|keras\.(activations|losses|metrics)|debugging\.assert\w*|debugging\.check_numerics"
    r"|io\.(decode|encode|parse|serialize|deserialize|is_jpeg|extract_jpeg_shape)\w*"
    r"|random\.(normal|truncated_normal|uniform|shuffle|categorical|gamma|poisson|split|fold_in|stateless_\w+))(\.|$)"
)
_NEVER_IN_THEM = re.compile(
    r"candidate_sampler$|_proto$|^quantization\.experimental|\.(get|serialize|deserialize|map_values|map_flat_values)$"
)
REFUSED_OPERATORS = re.compile(
    r"ReadFile|WriteFile|MatchingFiles|(Encode|Decode)Proto(V2)?|DumpTensor|ImmutableConst|RecordInput|GenerateVocabRemapping|LoadAndRemapMatrix"
    r"|FixedUnigramCandidateSampler|CalibrationStatisticsSaver|FileSystemSetConfiguration|RemoteCall|_?XlaCustomCall.*"
    r"|.*PyFunc.*|(Delete)?Rpc.*|.*Reader(V2)?|Reader.*|.*Dataset.*|.*Iterator.*|.*SummaryWriter.*|CreateSummary.*|Write.*Summary"
    r"|SummaryWriter|Debug(Identity|NanCount|NumericSummary|Gradient).*|DistributedSave|DTensorRestoreV2|.*Kafka.*|.*Bigtable.*"
)
"""Operators that read or write files, call Python, or talk to other machines."""
_SAVING = re.compile(r"Save(V2|Slices)?|Restore(V2|Slice)?|MergeV2Checkpoints|InitializeTableFromTextFile(V2)?|PrintV2")

_PACKAGES = r"(?:tf_keras|keras|keras_hub|keras_cv|keras_nlp)"
_MODULES = re.compile(
    _PACKAGES + r"(\.api|\._tf_keras\.keras|\.src|\.v2|\.__internal__|\.legacy|\.engine|\.experimental)*"
    r"(\.(layers|models|ops|initializers|regularizers|constraints|losses|metrics|optimizers|activations|dtype_policies"
    r"|quantizers|random|mixed_precision|engine|samplers|tokenizers|applications)(\.\w+)*|\.utils(\.feature_space)?)?"
)
_FUNCTION_MODULES = re.compile(
    _PACKAGES
    + r"(\.api|\._tf_keras\.keras|\.src)*\.(ops|initializers|regularizers|constraints|losses|metrics|activations"
    r"|quantizers|random)(\.\w+)*"
)
_CLASS_NAME = re.compile(r"_?[A-Z]\w*")
_FUNCTION_NAME = re.compile(r"[A-Za-z]\w*")
_NOT_CALLED = {"get", "serialize", "deserialize"}
_RUN_CODE = {"TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}
_VALUES = {
    "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__", "__keras_tensor__", "__tuple__", "__complex__",
    "TensorShape", "TypeSpec", "CompositeTensor", "Ellipsis",
}  # fmt: skip
_SPECS = {"TensorSpec", "RaggedTensorSpec", "SparseTensorSpec"}
_LIBRARIES = {*sys.stdlib_module_names, "keras", "tf_keras", "tensorflow", "numpy", "h5py"}
_VOCABULARIES = ("vocabulary", "vocabulary_file", "initial_vocabulary")


@dataclass(frozen=True)
class Named:
    """Something that a configuration names and that is not allowed.

    Attributes:
        what: As the configuration names it, with the layer.
        own: Whether it may be a class or function of the user's, which ``--custom-objects`` gives; else ``--unsafe-load``.
    """

    what: str
    own: bool


def named_beyond(config: Any, own: Iterable[str] = ()) -> tuple[Named, ...]:
    """Returns what a configuration names beyond the allowed, each once.

    Args:
        config: Of limited depth (see `tflitekit.core.structured.parse_json`).
        own: Names that the user's module gave or registered ('package>name').
    """
    names = {*own}
    return tuple(dict.fromkeys(_walk(config, names | {name.rpartition(">")[2] for name in names})))


def may_compute(function: str) -> bool:
    """Returns whether a function of TensorFlow, by its public name, does nothing but compute."""
    name = re.sub(r"^compat\.v[12]\.", "", function)
    if name.startswith("raw_ops."):
        return _may_run(name.removeprefix("raw_ops."))
    if name in TENSORFLOW_FUNCTIONS:
        return True
    return bool(_PURE_MODULES.match(name)) and not _NEVER_IN_THEM.search(name)


def _may_run(operator: str) -> bool:
    return not (REFUSED_OPERATORS.fullmatch(operator) or _SAVING.fullmatch(operator))


def _walk(value: Any, own: Container[str]) -> Iterator[Named]:
    if isinstance(value, Mapping):
        if "class_name" in value:
            yield from _node(value, own)
        for inner in value.values():
            yield from _walk(inner, own)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _walk(inner, own)


def _node(node: Mapping[str, Any], own: Container[str]) -> Iterator[Named]:
    name, module, config = node["class_name"], node.get("module"), node.get("config")
    registered = node.get("registered_name")
    if not isinstance(name, str) or not isinstance(module, str | None):
        yield Named(f"a class with the name {_shown(name)} of the module {_shown(module)}", own=False)
        return
    if name == "function":
        yield from _function(config, module, own)
    if isinstance(registered, str) and registered not in (name, config) and ">" not in registered:
        # Keras 2 takes what the module has under this name where it has nothing under the first.
        again = {"config": registered} if name == "function" else {"class_name": registered}
        yield from _node({**node, **again, "registered_name": None}, own)
    if name == "function" or name in own:
        return
    settings = config if isinstance(config, Mapping) else {}
    layer = settings.get("name")
    where = f" (layer '{shortened(layer)}')" if isinstance(layer, str) and layer != name else ""
    if name in ("TFOpLambda", "SlicingOpLambda"):
        function = settings.get("function")
        if not isinstance(function, str) or not may_compute(function):
            yield Named(f"tf.{_shown(function)}{where}", own=False)
    elif name == "ClassMethod":
        method = f"{settings.get('cls_symbol')}.{settings.get('method_name')}"
        if not re.fullmatch(r"(compat\.v[12]\.)?RaggedTensor\.from_\w+", method):
            yield Named(f"tf.{_shown(method)}{where}", own=False)
    elif name in ("InstanceProperty", "InstanceMethod"):
        if str(settings.get("attr_name")) not in RAGGED_MEMBERS:
            yield Named(f"the attribute {_shown(settings.get('attr_name'))} of a tensor{where}", own=False)
    elif name == "TensorFlowOpLayer":
        node_def = settings.get("node_def")
        operator = node_def.get("op") if isinstance(node_def, Mapping) else None
        if not isinstance(operator, str) or not _may_run(operator):
            yield Named(f"the operator {_shown(operator)}{where}", own=False)
    elif name == "__typespec__":
        if str(node.get("spec_name")) not in _SPECS or not str(module).startswith("tensorflow."):
            yield Named(f"{_shown(module)}.{_shown(node.get('spec_name'))}", own=False)
    elif name in _RUN_CODE:
        yield Named(f"{name}{where}, which runs code or reads files that the file names", own=False)
    elif name not in _VALUES and name not in ("Lambda", "__lambda__"):
        yield from _class(name, module, where)
        for key in _VOCABULARIES:
            if isinstance(settings.get(key), str):
                yield Named(f"the file {_shown(settings[key])}, which {name} reads{where}", own=False)


def _class(name: str, module: str | None, where: str) -> Iterator[Named]:
    if not module:
        if name not in CLASSES:
            yield Named(shortened(name), own=True)
    elif _MODULES.fullmatch(module):
        if not _CLASS_NAME.fullmatch(name):
            yield Named(f"{shortened(module)}.{shortened(name)}{where}", own=False)
    else:
        yield _of_module(module, name, where)


def _function(config: Any, module: str | None, own: Container[str]) -> Iterator[Named]:
    if not isinstance(config, str):
        yield Named(f"a function with the name {_shown(config)}", own=False)
    elif config in own:
        return
    elif module in (None, "", "builtins"):
        if not _FUNCTION_NAME.fullmatch(config) or hasattr(builtins, config) or config in _NOT_CALLED:
            yield Named(f"Python's own {shortened(config)}()", own=False)
    elif not _FUNCTION_MODULES.fullmatch(module) or not _FUNCTION_NAME.fullmatch(config) or config in _NOT_CALLED:
        yield _of_module(module, config, "")


def _of_module(module: str, name: str, where: str) -> Named:
    """Returns a class or function of a module that is not Keras's: the user's own, or one of a library that does more."""
    if module.partition(".")[0] in _LIBRARIES:
        return Named(f"{shortened(module)}.{shortened(name)}{where}", own=False)
    return Named(shortened(name), own=True)


def _shown(value: Any) -> str:
    return shortened(value if isinstance(value, str) else repr(value))
