"""The steps in order: from sources and a bundle to a signed APK."""

from __future__ import annotations

import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tflitekit.core.files import write_whole

from . import sources, tools
from .archive import write_apk
from .artifacts import fetch
from .check import Check, check_apk, check_classes
from .classes import dex, javac
from .resources import link
from .settings import PROJECT, Settings
from .signing import Key, sign

__all__ = ["Built", "build"]


@dataclass(frozen=True)
class Built:
    """A finished APK.

    Attributes:
        checks: What was checked; empty if nothing was.
    """

    apk: Path
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)


def build(
    settings: Settings,
    *,
    out: Path,
    key: Key,
    bundle: Path | None = None,
    gpu: bool = True,
    check: bool = True,
    project: Path = PROJECT,
) -> Built:
    """Builds the app.

    Args:
        out: The APK to write.
        key: Signs it.
        bundle: Models in place of the default ones.
        gpu: Whether the GPU delegate's native libraries go in.
        check: Whether to check what came out.
        project: The folder ``android_demo``.

    Raises:
        TflitekitError: A tool is missing, the bundle is damaged, or a step failed.
    """
    tools.require()
    key.check()
    main = project / "app" / "src" / "main"
    assets = sources.assets(main / "assets", bundle)
    artifacts = fetch(project)
    with tempfile.TemporaryDirectory(prefix="apk-") as temporary:
        work = Path(temporary)
        manifest = work / "AndroidManifest.xml"
        manifest.write_bytes(sources.manifest(main / "AndroidManifest.xml", settings))
        linked, generated = link(main / "res", manifest, settings, work=work)
        runtime = artifacts.runtime(settings.abis, gpu=gpu, work=work / "runtime")
        classes = work / "classes"
        folders = [project / "core" / "src" / "main" / "java", main / "java", generated]
        javac(folders, [*runtime.jars, artifacts.android], settings, out=classes)
        dex([classes, *runtime.jars], artifacts.dexer, settings, out=work / "classes.dex")

        entries = {name: (path.read_bytes(), True) for name, path in assets.items()}
        entries |= {name: (content, True) for name, content in (runtime.libraries | runtime.licenses).items()}
        entries["classes.dex"] = ((work / "classes.dex").read_bytes(), True)
        with zipfile.ZipFile(linked) as archive:
            for entry in archive.infolist():
                entries[entry.filename] = (archive.read(entry), entry.compress_type != zipfile.ZIP_STORED)
        unsigned, signed = work / "unsigned.apk", work / "signed.apk"
        unsigned.write_bytes(write_apk(entries))
        sign(unsigned, signed, key, settings)
        write_whole(out, signed.read_bytes())
        if not check:
            return Built(out, ())
        return Built(out, (*check_classes(classes, runtime.jars, artifacts, settings), *check_apk(out, settings)))
