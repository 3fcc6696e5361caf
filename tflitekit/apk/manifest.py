"""The facts in an APK's manifest."""

from __future__ import annotations

from tflitekit.apk.archive import Archive
from tflitekit.apk.axml import Element, Value, parse
from tflitekit.apk.report import Manifest
from tflitekit.core.errors import ApkError

__all__ = ["read_manifest"]

_LIMIT_BYTES = 16 * 2**20
# Numbers of android.R.attr (https://developer.android.com/reference/android/R.attr).
_NAME, _DEBUGGABLE, _MIN_SDK, _VERSION_CODE, _VERSION_NAME = 0x01010003, 0x0101000F, 0x0101020C, 0x0101021B, 0x0101021C
_TARGET_SDK, _TEST_ONLY, _REQUIRED, _EXTRACT = 0x01010270, 0x01010272, 0x0101028E, 0x010104EA
_VERSION_CODE_MAJOR, _SPLITS_REQUIRED = 0x01010576, 0x01010591
_VALUE = 0x01010024


def read_manifest(archive: Archive) -> Manifest:
    """Reads AndroidManifest.xml.

    Raises:
        ApkError: The archive is something else than an APK, or the manifest is damaged.
    """
    entry = archive.entries.get("AndroidManifest.xml")
    if entry is None:
        raise _something_else(archive)
    content = archive.read(entry, _LIMIT_BYTES)
    try:
        elements = list(parse(content))
        if not elements or elements[0].path != ("manifest",):
            raise ValueError("its outermost element is not <manifest>")
    except ValueError as error:
        if content.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<"):
            raise ApkError(
                f"AndroidManifest.xml in {archive.path} is text.",
                why="In an APK it is binary. It is text in libraries (.aar).",
                fix="Give the .apk of the app that uses the library.",
            ) from error
        raise ApkError(
            f"AndroidManifest.xml in {archive.path} cannot be read.", why=f"{error}.", fix="Build the APK again."
        ) from error
    return _manifest(elements)


def _manifest(elements: list[Element]) -> Manifest:
    root = elements[0].attributes
    found: dict[str, list[dict[int | str, Value]]] = {}
    for element in elements:
        found.setdefault("/".join(element.path[1:]), []).append(element.attributes)

    def first(path: str) -> dict[int | str, Value]:
        return found.get(path, [{}])[0]

    def names(*paths: str) -> tuple[str, ...]:
        return tuple(
            dict.fromkeys(
                name
                for path in paths
                for attributes in found.get(path, ())
                if isinstance(name := attributes.get(_NAME), str) and attributes.get(_REQUIRED) is not False
            )
        )

    sdk, application = first("uses-sdk"), first("application")
    low, major = _integer(root.get(_VERSION_CODE)), _integer(root.get(_VERSION_CODE_MAJOR))
    minimum = _sdk(sdk.get(_MIN_SDK, 1))
    splits = {
        str(data.get(_NAME)): data.get(_VALUE) for data in found.get("application/meta-data", ())
    }  # AGP and bundletool write it there too
    return Manifest(
        package=_text(root.get("package")),
        version_name=_text(root.get(_VERSION_NAME)),
        version_code=low if low is None or not major else (major << 32) | (low & 0xFFFFFFFF),
        min_sdk=minimum,
        target_sdk=_sdk(sdk[_TARGET_SDK]) if _TARGET_SDK in sdk else minimum,
        debuggable=application.get(_DEBUGGABLE) is True,
        test_only=application.get(_TEST_ONLY) is True,
        extract_native_libs=application.get(_EXTRACT) is not False,
        permissions=names("uses-permission", "uses-permission-sdk-23"),
        features=names("uses-feature"),
        native_libraries=tuple(
            name
            for attributes in found.get("application/uses-native-library", ())
            if isinstance(name := attributes.get(_NAME), str)
        ),
        split=_text(root.get("split")),
        needs_splits=root.get(_SPLITS_REQUIRED) is True or splits.get("com.android.vending.splits.required") is True,
    )


def _text(value: Value) -> str | None:
    return value if isinstance(value, str) else None


def _integer(value: Value) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _sdk(value: Value) -> int | None:
    """Returns an API level; aapt writes numbers, other tools may write them as text."""
    if isinstance(value, str) and value.isdecimal() and len(value) < 10:
        return int(value)
    return _integer(value)


def _something_else(archive: Archive) -> ApkError:
    names = archive.entries
    if "BundleConfig.pb" in names or "base/manifest/AndroidManifest.xml" in names:
        return ApkError(
            f"{archive.path} is an app bundle (.aab), not an APK.",
            why="Play makes APKs from it, and decides then what a phone gets.",
            fix="Make one with everything: 'bundletool build-apks --mode=universal --bundle=app.aab "
            "--output=app.apks', then 'unzip app.apks universal.apk' and give universal.apk.",
        )
    inner = [name for name in names if name.endswith(".apk")]
    if inner:
        return ApkError(
            f"{archive.path} is a set of APKs, not an APK.",
            why=f"It has {', '.join(inner[:3])}{' and more' if len(inner) > 3 else ''}.",
            fix="Unzip it and give the universal or the base APK.",
        )
    return ApkError(
        f"{archive.path} is a ZIP archive, but not an APK.",
        why="It has no AndroidManifest.xml.",
        fix="Give the .apk that your build wrote, in app/build/outputs/apk for Gradle.",
    )
