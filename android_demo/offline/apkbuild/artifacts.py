"""What the build takes from Maven Central, through ``offline/pom.xml``: Android's classes, the runtime, the dexer."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tflitekit.core.files import write_whole

from .settings import PROJECT
from .tools import BuildError, Command, run

__all__ = ["Artifacts", "Runtime", "fetch"]

GPU = "tensorflow-lite-gpu"
PARTS = ("tensorflow-lite", "tensorflow-lite-api", GPU, "tensorflow-lite-gpu-api")


@dataclass(frozen=True)
class Runtime:
    """The runtime's parts that go into the APK.

    Attributes:
        jars: Class files.
        libraries: Native libraries by their path in the APK (``lib/arm64-v8a/libx.so``).
        licenses: Texts by their path in the APK.
    """

    jars: tuple[Path, ...]
    libraries: dict[str, bytes]
    licenses: dict[str, bytes]


@dataclass(frozen=True)
class Artifacts:
    """The folder with the fetched files."""

    folder: Path

    @property
    def android(self) -> Path:
        """Android's classes, hidden ones too; for compiling only."""
        return self.folder / "android-all.jar"

    @property
    def dexer(self) -> Path:
        return self.folder / "dalvik-dx.jar"

    def signature(self, min_sdk: int) -> Path:
        """Returns the public API of that level, for animal-sniffer."""
        return self.folder / f"android-api-level-{min_sdk}.signature"

    @property
    def sniffer(self) -> tuple[Path, ...]:
        """Returns the class path of animal-sniffer."""
        return (self.folder / "animal-sniffer.jar", self.folder / "asm.jar")

    def runtime(self, abis: tuple[str, ...], *, gpu: bool, work: Path) -> Runtime:
        """Takes the runtime's archives (AARs) apart.

        Their manifests and ProGuard rules are not merged: the manifests only say minSdkVersion 19, and nothing is shrunk.

        Args:
            abis: Whose native libraries are wanted.
            gpu: Whether the GPU delegate's are. Its classes are always there, since the app is compiled against them.
            work: Where the class files go.

        Raises:
            BuildError: There are no libraries for an ABI.
        """
        jars: list[Path] = []
        libraries: dict[str, bytes] = {}
        licenses: dict[str, bytes] = {}
        for name in PARTS:
            with zipfile.ZipFile(self.folder / f"{name}.aar") as aar:
                jar = work / f"{name}.jar"
                write_whole(jar, aar.read("classes.jar"))
                jars.append(jar)
                licenses[f"META-INF/licenses/{name}.txt"] = aar.read("LICENSE")
                if name == GPU and not gpu:
                    continue
                for entry in aar.namelist():
                    folder, _, file = entry.removeprefix("jni/").partition("/")
                    if entry.startswith("jni/") and entry.endswith(".so") and folder in abis:
                        libraries[f"lib/{folder}/{file}"] = aar.read(entry)
        empty = [abi for abi in abis if not any(path.startswith(f"lib/{abi}/") for path in libraries)]
        if empty:
            raise BuildError(f"The runtime has no native libraries for {', '.join(empty)}.")
        return Runtime(tuple(jars), libraries, licenses)


def fetch(project: Path = PROJECT) -> Artifacts:
    """Copies the artifacts out of Maven's cache; downloads those that are not there. Once for each state of the POMs.

    Raises:
        BuildError: Maven cannot get one.
    """
    pom, folder = project / "offline" / "pom.xml", project / "offline" / "target" / "apk"
    state = hashlib.sha256(b"\0".join(path.read_bytes() for path in (pom, project / "pom.xml"))).hexdigest()
    stamp = folder / "fetched"
    if not stamp.is_file() or stamp.read_text() != state:
        command: Command = ["mvn", "--quiet", "--batch-mode", "--file", pom, "dependency:copy@apk"]
        try:
            run("Taking artifacts from Maven's cache", [*command, "--offline"])
        except BuildError:
            run("Downloading artifacts from Maven Central", command)
        write_whole(stamp, state)
    return Artifacts(folder)
