"""Makes Android packages of real parts: libraries by gcc, models by the schema, a manifest in binary XML, any alignment."""

import io
import shutil
import struct
import subprocess
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

ANDROID = "http://schemas.android.com/apk/res/android"
ATTRIBUTES = {
    "name": 0x01010003, "debuggable": 0x0101000F, "value": 0x01010024, "minSdkVersion": 0x0101020C,
    "versionCode": 0x0101021B, "versionName": 0x0101021C, "targetSdkVersion": 0x01010270, "testOnly": 0x01010272,
    "required": 0x0101028E, "extractNativeLibs": 0x010104EA, "versionCodeMajor": 0x01010576,
    "isSplitRequired": 0x01010591,
}  # fmt: skip
FRAMEWORK = Path("/usr/share/android-framework-res/framework-res.apk")


def tflite(*operators, custom=()) -> bytes:
    """Returns a model that adds its input to itself, with the given (name, version) pairs among its operator codes.

    Every operator is in the graph, so what is read from the file is what a runtime would have to have.
    """
    model = schema.ModelT()
    model.version = 3
    model.operatorCodes, operations = [], []
    for name, version in (*operators, *((name, 1) for name in custom)):
        code = schema.OperatorCodeT()
        code.builtinCode = schema.BuiltinOperator.CUSTOM if name in custom else getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version, code.customCode = version, name if name in custom else None
        operation = schema.OperatorT()
        operation.opcodeIndex, operation.inputs, operation.outputs = len(model.operatorCodes), [0, 0], [1]
        model.operatorCodes.append(code)
        operations.append(operation)
    graph = schema.SubGraphT()
    graph.tensors = []
    for name in ("in", "out"):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, [1, 4], schema.TensorType.FLOAT32, 0
        graph.tensors.append(tensor)
    graph.inputs, graph.outputs, graph.operators = [0], [1], operations
    model.subgraphs, model.buffers = [graph], [schema.BufferT()]
    builder = flatbuffers.Builder(512)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def library(
    folder: Path, *, source="int f(void){return 1;}", page=0x4000, bits=64, machine: int | None = None
) -> bytes:
    """Returns a shared library made by gcc; ``machine`` replaces the number in its ELF header."""
    code, out = folder / "library.c", folder / "library.so"
    code.write_text(source)
    command = ["gcc", f"-m{bits}", "-shared", "-nostdlib", "-fPIC", "-O2", f"-Wl,-z,max-page-size={page:#x}"]
    subprocess.run([*command, "-o", out, code], check=True, capture_output=True)
    content = bytearray(out.read_bytes())
    if machine is not None:
        content[18:20] = machine.to_bytes(2, "little")
    return bytes(content)


@dataclass
class Tag:
    """An element for a manifest; attributes with an underscore in front are not Android's."""

    name: str
    attributes: dict = field(default_factory=dict)
    children: list["Tag"] = field(default_factory=list)


def manifest(
    *,
    package="org.example.app",
    minimum=24,
    target=36,
    code=7,
    name="1.2",
    root=None,
    application=None,
    tags=(),
    inner=(),
) -> bytes:
    """Returns a binary AndroidManifest.xml."""
    sdk = {key: value for key, value in (("minSdkVersion", minimum), ("targetSdkVersion", target)) if value is not None}
    return axml(
        Tag(
            "manifest",
            {"_package": package, "versionCode": code, "versionName": name} | (root or {}),
            [Tag("uses-sdk", sdk), *tags, Tag("application", application or {}, list(inner))],
        )
    )


def axml(root: Tag, *, utf8=False) -> bytes:
    """Encodes elements as Android's binary XML: attributes with numbers first in the string pool, as aapt2 does it."""
    numbered, others = {}, {}

    def collect(tag: Tag) -> None:
        for key, value in tag.attributes.items():
            (others if key.startswith("_") else numbered)[key.removeprefix("_")] = None
            if isinstance(value, str):
                others[value] = None
        others[tag.name] = None
        for child in tag.children:
            collect(child)

    collect(root)
    others[ANDROID] = None
    texts = [*numbered, *others]
    key_of = {text: index for index, text in enumerate(numbered)}
    value_of = {text: len(numbered) + index for index, text in enumerate(others)}
    nodes = b""

    def write(tag: Tag) -> None:
        nonlocal nodes
        attributes = b""
        for key, value in tag.attributes.items():
            own = key.startswith("_")
            space, raw = (0xFFFFFFFF if own else value_of[ANDROID]), 0xFFFFFFFF
            if isinstance(value, bool):
                kind, data = 0x12, 0xFFFFFFFF if value else 0
            elif isinstance(value, int):
                kind, data = 0x10, value & 0xFFFFFFFF
            else:
                kind, data = 0x03, value_of[value]
                raw = data
            index = value_of[key[1:]] if own else key_of[key]
            attributes += struct.pack("<IIIHBBI", space, index, raw, 8, 0, kind, data)
        place = struct.pack("<II", 1, 0xFFFFFFFF)
        body = struct.pack("<IIHHHHHH", 0xFFFFFFFF, value_of[tag.name], 20, 20, len(tag.attributes), 0, 0, 0)
        nodes += _chunk(0x0102, place, body + attributes)
        for child in tag.children:
            write(child)
        nodes += _chunk(0x0103, place, struct.pack("<II", 0xFFFFFFFF, value_of[tag.name]))

    write(root)
    resources = b"".join(struct.pack("<I", ATTRIBUTES[key]) for key in numbered)
    return _chunk(0x0003, b"", _pool(texts, utf8=utf8) + _chunk(0x0180, b"", resources) + nodes)


def _chunk(kind: int, header: bytes, body: bytes) -> bytes:
    return struct.pack("<HHI", kind, 8 + len(header), 8 + len(header) + len(body)) + header + body


def _pool(texts: list[str], *, utf8: bool) -> bytes:
    data, offsets = b"", []
    for text in texts:
        offsets.append(len(data))
        if utf8:
            encoded = text.encode()
            data += _length(len(text.encode("utf-16-le")) // 2, 1) + _length(len(encoded), 1) + encoded + b"\0"
        else:
            encoded = text.encode("utf-16-le")
            data += _length(len(encoded) // 2, 2) + encoded + b"\0\0"
    data += b"\0" * (-len(data) % 4)
    header = struct.pack("<IIIII", len(texts), 0, 0x100 if utf8 else 0, 28 + 4 * len(texts), 0)
    return _chunk(0x0001, header, struct.pack(f"<{len(texts)}I", *offsets) + data)


def _length(count: int, width: int) -> bytes:
    high = 1 << (8 * width - 1)
    units = (count,) if count < high else (high | count >> (8 * width), count & (1 << (8 * width)) - 1)
    return b"".join(unit.to_bytes(width, "little") for unit in units)


@dataclass
class File:
    """A file for a package: its data begin at a multiple of ``align``, plus ``shift``."""

    content: bytes
    stored: bool = True
    align: int = 4
    shift: int = 0


def package(path: Path, files: dict[str, File | bytes], *, signatures=("v2", "v3"), certificate=b"CN=Example") -> Path:
    """Writes an APK; the signatures are there, but nobody has signed."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, given in files.items():
            file = given if isinstance(given, File) else File(given)
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_STORED if file.stored else zipfile.ZIP_DEFLATED
            if file.stored:
                start = content.tell() + 30 + len(name.encode()) + 6
                padding = -start % file.align + file.shift
                info.extra = struct.pack("<HHH", 0xD935, 2 + padding, file.align) + b"\0" * padding
            archive.writestr(info, file.content)
    path.write_bytes(sign(content.getvalue(), signatures, certificate))
    return path


def sign(content: bytes, schemes: tuple[str, ...], certificate: bytes) -> bytes:
    """Puts a signing block with the numbers of the schemes before the central directory."""
    if not schemes:
        return content
    numbers = {"v2": 0x7109871A, "v3": 0xF05368C0, "v3.1": 0x1B93AD61, "padding": 0x42726577}
    pairs = b"".join(struct.pack("<QI", 4 + len(certificate), numbers[s]) + certificate for s in schemes)
    size = struct.pack("<Q", len(pairs) + 24)
    block = size + pairs + size + b"APK Sig Block 42"
    end = content.rindex(b"PK\5\6")
    start = struct.unpack_from("<I", content, end + 16)[0]
    tail = bytearray(content[start:])
    struct.pack_into("<I", tail, end - start + 16, start + len(block))
    return content[:start] + block + bytes(tail)


def aapt2(folder: Path, text: str, *options: str) -> Path:
    """Links a manifest by the real aapt2 into an APK without code."""
    source, out = folder / "AndroidManifest.xml", folder / "linked.apk"
    source.write_text(text)
    subprocess.run(
        ["aapt2", "link", "-o", out, "-I", FRAMEWORK, "--manifest", source, *options], check=True, capture_output=True
    )
    return out


def has_aapt2() -> bool:
    return shutil.which("aapt2") is not None and FRAMEWORK.exists()
