"""What goes in besides code: the bundle with the models, other assets, and the manifest."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from tflitekit.bundling import read_bundle
from tflitekit.core.errors import UsageError

from .settings import Settings

__all__ = ["assets", "manifest"]

_ANDROID, _TOOLS = "http://schemas.android.com/apk/res/android", "http://schemas.android.com/tools"


def assets(folder: Path, bundle: Path | None) -> dict[str, Path]:
    """Returns the files of the assets by their path in the APK.

    Args:
        folder: The app's own assets, with the default bundle in ``bundle/``.
        bundle: A bundle that takes its place.

    Raises:
        TflitekitError: There is no bundle, or it is damaged: what `read_bundle` refuses, an app would refuse too.
    """
    default = folder / "bundle"
    if bundle is None and not default.is_dir():
        raise UsageError(
            f"There is no bundle in {default}.",
            fix="Make one (tflitekit quickstart; tflitekit bundle ...) and name its folder with --bundle.",
        )
    chosen = bundle or default
    content = read_bundle(chosen)
    names = ["bundle.json", *(["labels.txt"] if content.labels is not None else []), *(e.file for e in content.files())]
    found = {f"assets/bundle/{name}": chosen / name for name in names}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and default not in path.parents:
            found[f"assets/{path.relative_to(folder).as_posix()}"] = path
    return found


def manifest(source: Path, settings: Settings) -> bytes:
    """Returns the app's manifest with what Gradle's plugin would put in.

    That is the package, and libraries that are mapped straight from the APK. Attributes for build tools are left out.
    """
    for prefix, name in (("android", _ANDROID), ("tools", _TOOLS)):
        ET.register_namespace(prefix, name)
    root = ET.parse(source).getroot()
    root.set("package", settings.application_id)
    for element in root.iter():
        for key in [key for key in element.attrib if key.startswith(f"{{{_TOOLS}}}")]:
            del element.attrib[key]
    for application in root.iter("application"):
        application.set(f"{{{_ANDROID}}}extractNativeLibs", "false")
    content: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return content
