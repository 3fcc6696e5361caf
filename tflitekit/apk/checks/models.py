"""Can the app run its models?"""

from __future__ import annotations

from collections.abc import Iterator

from packaging.version import Version

from tflitekit.apk.report import ApkFinding, ApkReport, Model, Runtime
from tflitekit.apk.words import listed

__all__ = ["bundles", "files", "gpu_driver", "operators", "runtimes", "versions"]

_ANDROID_12 = 31
_BUILT_IN_CUSTOM = {"AudioSpectrogram", "Mfcc", "NumericVerify", "TFLite_Detection_PostProcess"}
"""Custom operators that every full runtime has (kernels/register.cc of TensorFlow Lite, 2.3 to LiteRT 2)."""
_OPEN_CL = "libOpenCL.so"
_NATIVE_LIBRARY_PAGE = "https://developer.android.com/guide/topics/manifest/uses-native-library-element"
_OPEN_FD_PAGE = "https://developer.android.com/reference/android/content/res/AssetManager#openFd(java.lang.String)"
_VERSIONS_PAGE = "https://ai.google.dev/edge/litert/conversion/tensorflow/convert_tf"
_SELECT_OPS_PAGE = "https://ai.google.dev/edge/litert/conversion/tensorflow/ops_select"
_CUSTOM_OPS_PAGE = "https://ai.google.dev/edge/litert/conversion/tensorflow/ops_custom"
_PLAY_SERVICES_PAGE = "https://ai.google.dev/edge/litert/android/play_services"


def runtimes(report: ApkReport) -> Iterator[ApkFinding]:
    """Is there something that runs models?"""
    whole = not (report.manifest.split or report.manifest.needs_splits)
    if report.models and not report.runtimes and whole:
        yield ApkFinding(
            kind="runtime-not-found",
            severity="warning",
            stage="run",
            message=f"There are models ({listed([model.path for model in report.models])}), "
            "but no TensorFlow Lite or LiteRT was found that could run them, in the APK or by way of Play services.",
            advice="Add the dependency com.google.ai.edge.litert:litert, unless the app fetches its runtime itself.",
        )
    for runtime in report.runtimes:
        if not runtime.abis:
            yield ApkFinding(
                kind="runtime-from-play-services",
                severity="note",
                stage="run",
                message="Models run in the TensorFlow Lite of Google Play services: it adds nothing to the APK and is kept "
                "up to date, but its version is the device's, and devices without Play services have none.",
                advice="Wait for TfLite.initialize() and handle its failure. If the app must run everywhere, "
                "bundle a runtime as well.",
                source=_PLAY_SERVICES_PAGE,
            )


def files(report: ApkReport) -> Iterator[ApkFinding]:
    """Can the models be mapped from the APK, and are they whole?"""
    broken = [model for model in report.models if model.problem]
    for model in broken:
        yield ApkFinding(
            kind="model-unreadable",
            severity="error",
            stage="run",
            message=model.problem or "",
            advice="Copy or convert it again. Git LFS pointers and interrupted downloads look like this.",
            subjects=(model.path,),
        )
    large = tuple(model.path for model in report.models if model.sha256 is None)
    if large:
        yield ApkFinding(
            kind="model-not-read",
            severity="warning",
            stage="run",
            message=f"Too large to read: {listed(large)}. Its operators and minimum runtime are not known.",
            subjects=large,
        )
    compressed = tuple(model.path for model in report.models if not model.stored)
    if compressed:
        yield ApkFinding(
            kind="model-compressed",
            severity="error",
            stage="run",
            message=f"Compressed in the APK: {listed(compressed)}. It cannot be mapped into memory; AssetManager.openFd, "
            "which TensorFlow Lite's examples and FileUtil.loadMappedFile use, throws a FileNotFoundException.",
            advice='Gradle: androidResources { noCompress += "tflite" }. aapt2: -0 tflite.',
            subjects=compressed,
            source=_OPEN_FD_PAGE,
        )


def versions(report: ApkReport) -> Iterator[ApkFinding]:
    """Is the runtime new enough for each model?"""
    candidates = [runtime for runtime in report.runtimes if not runtime.embedded] or list(report.runtimes)
    if not candidates:
        return
    for model in report.models:
        if model.unknown_op_versions:
            yield ApkFinding(
                kind="model-minimum-unknown",
                severity="warning",
                stage="run",
                message=f"{model.path} has operators that this tool does not know: {listed(model.unknown_op_versions)}. "
                f"It needs TensorFlow Lite {model.min_runtime or '(unknown)'} or a newer one.",
                advice="Run it once with the app's runtime; update tflitekit.",
                subjects=(model.path,),
            )
        if model.min_runtime is not None:
            yield from _version(model, model.min_runtime, candidates)


def _version(model: Model, minimum: str, candidates: list[Runtime]) -> Iterator[ApkFinding]:
    old = [runtime for runtime in candidates if runtime.version and Version(runtime.version) < Version(minimum)]
    unknown = [runtime for runtime in candidates if runtime.version is None]
    needs = f"{model.path} needs TensorFlow Lite {minimum}"
    if old:
        all_old = len(old) == len(candidates)
        yield ApkFinding(
            kind="runtime-too-old",
            severity="error" if all_old else "warning",
            stage="run",
            message=f"{needs}, and {listed([f'{runtime.name} is {runtime.version}' for runtime in old])}: "
            "it refuses the model (Didn't find op for builtin opcode) or, worse, computes something else."
            + ("" if all_old else " The app has another runtime, which may be the one that runs it."),
            advice="Update the runtime (com.google.ai.edge.litert:litert), or ship a variant with lower needs: "
            "'tflitekit inspect' shows which operator it is.",
            subjects=(model.path,),
            source=_VERSIONS_PAGE,
        )
    elif unknown:
        reasons = [f"{runtime.name} ({runtime.version_note})" for runtime in unknown]
        yield ApkFinding(
            kind="runtime-version-unknown",
            severity="warning",
            stage="run",
            message=f"{needs} or newer. Whether the runtime is new enough is not known: {listed(reasons)}.",
            advice="Compare with the version of the dependency in your build, or run the model once on a device.",
            subjects=(model.path,),
            source=_VERSIONS_PAGE,
        )


def operators(report: ApkReport) -> Iterator[ApkFinding]:
    """Are the operators there that are not TensorFlow Lite's own?"""
    flex = any("flex" in library.name.lower() for library in report.libraries)
    for model in report.models:
        if model.select_tf_ops and not flex:
            yield ApkFinding(
                kind="flex-missing",
                severity="error",
                stage="run",
                message=f"{model.path} has TensorFlow operators ({listed(model.select_tf_ops)}), but the Flex delegate "
                "is not in the APK.",
                advice="Add org.tensorflow:tensorflow-lite-select-tf-ops, or convert without select TensorFlow ops.",
                subjects=(model.path,),
                source=_SELECT_OPS_PAGE,
            )
        own = [name for name in model.custom_ops if name not in _BUILT_IN_CUSTOM]
        if own:
            yield ApkFinding(
                kind="custom-operators",
                severity="warning",
                stage="run",
                message=f"{model.path} has custom operators: {listed(own)}. It runs only if the app provides them.",
                advice="Make sure that the app links and registers them.",
                subjects=(model.path,),
                source=_CUSTOM_OPS_PAGE,
            )


def gpu_driver(report: ApkReport) -> Iterator[ApkFinding]:
    """May the GPU delegate load the device's OpenCL?"""
    target = report.manifest.target_sdk
    gpu = tuple(
        dict.fromkeys(
            library.name
            for library in report.libraries
            if library.role == "delegate" and ("gpu" in library.name or "Cl" in library.name)
        )
    )
    if gpu and target is not None and target >= _ANDROID_12 and _OPEN_CL not in report.manifest.native_libraries:
        yield ApkFinding(
            kind="opencl-not-declared",
            severity="warning",
            stage="run",
            message=f"{listed(gpu)} is here, but the manifest does not ask for the device's {_OPEN_CL}. "
            f"With targetSdk {target}, Android 12 and newer then hide it: the GPU is used through OpenGL, or not at all.",
            advice=f'Add <uses-native-library android:name="{_OPEN_CL}" android:required="false"/> to <application>.',
            subjects=gpu,
            source=_NATIVE_LIBRARY_PAGE,
        )


def bundles(report: ApkReport) -> Iterator[ApkFinding]:
    """Are the kit's bundles whole?"""
    for bundle in report.bundles:
        if bundle.problem:
            yield ApkFinding(
                kind="bundle-unreadable",
                severity="warning",
                stage="run",
                message=f"{bundle.path} cannot be read as a tflitekit bundle: {bundle.problem}.",
                advice="If it is one, make it again with 'tflitekit bundle'. It may also be something else with the same name.",
                subjects=(bundle.path,),
            )
        folder = bundle.path.rpartition("/")[0]
        for kind, names, what in (
            ("bundle-file-missing", bundle.missing, "are not in the APK"),
            ("bundle-file-changed", bundle.changed, "are not the files that it was made with (SHA-256)"),
        ):
            if names:
                yield ApkFinding(
                    kind=kind,
                    severity="error",
                    stage="run",
                    message=f"{bundle.path} names files that {what}: {listed(names)}. Its readers refuse the bundle.",
                    advice="Copy the whole folder into the assets, unchanged, or make it again with 'tflitekit bundle'.",
                    subjects=tuple(f"{folder}/{name}" for name in names),
                )
