"""Arm's Ethos-U NPUs, through Vela, Arm's compiler for them: what runs on the NPU, memory, and an estimated latency. Nothing is run."""

from __future__ import annotations

import configparser
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tflitekit.core.errors import ModelError, UsageError
from tflitekit.core.lifetime import scratch, temporary_folder
from tflitekit.environments.known.ethos_u import ETHOS_U
from tflitekit.results import Examination, Figure, Placement, TargetKind
from tflitekit.targets import register_target
from tflitekit.targets.layers import layers_or_edges_of
from tflitekit.targets.vela import Summary, last_words, read_on_cpu, read_reasons, read_summary
from tflitekit.tflite.graph import Graph

__all__ = ["ACCELERATORS", "EthosU", "Settings", "read_settings"]

_DEFAULTS = {
    "ethos-u55": ("Ethos_U55_High_End_Embedded", "Shared_Sram"),
    "ethos-u65": ("Ethos_U65_Client_Server", "Dedicated_Sram_384KB"),
    "ethos-u85": ("Ethos_U85_SYS_DRAM_Mid", "Dedicated_Sram_384KB"),
}
"""By family, the system configuration and the memory mode that Vela takes where none is named."""

_CONFIGURATION = "Arm/vela.ini"
"""Which of Vela's own files has all systems and memory modes."""

ACCELERATORS = (
    *(f"ethos-u55-{macs}" for macs in (32, 64, 128, 256)),
    *(f"ethos-u65-{macs}" for macs in (256, 512)),
    *(f"ethos-u85-{macs}" for macs in (128, 256, 512, 1024, 2048)),
)
"""With the multiply-accumulates that each does in a cycle."""


@dataclass(frozen=True)
class Settings:
    """What Vela compiles for.

    Attributes:
        system: Clock and memories; a section of ``vela.ini``.
        memory: Which memory holds what; a section of ``vela.ini``.
        keep: A folder that receives the compiled files.
    """

    accelerator: str
    system: str
    memory: str
    keep: Path | None = None

    @property
    def shown(self) -> str:
        """The NPU, and what else was not left to Vela."""
        system, memory = _DEFAULTS[self.accelerator.rpartition("-")[0]]
        given = [f"system={self.system}"] * (self.system != system) + [f"memory={self.memory}"] * (
            self.memory != memory
        )
        return ",".join([self.accelerator, *given])

    def arguments(self) -> list[str]:
        """Returns them as Vela takes them."""
        return ["--accelerator-config", self.accelerator, "--system-config", self.system, "--memory-mode", self.memory]


def read_settings(text: str) -> Settings:
    """Reads 'ethos-u55-128,system=NAME,memory=NAME,keep=FOLDER', all but the first of which may be left out.

    Raises:
        UsageError: There is no such NPU or setting.
    """
    accelerator, *rest = text.split(",")
    if accelerator not in ACCELERATORS:
        raise UsageError(f"There is no NPU '{accelerator}'.", fix=f"Choose from: {', '.join(ACCELERATORS)}.")
    system, memory = _DEFAULTS[accelerator.rpartition("-")[0]]
    given = {"system": system, "memory": memory, "keep": ""}
    for setting in rest:
        name, _, value = setting.partition("=")
        if name not in given or not value:
            raise UsageError(f"There is no setting '{setting}' of the target ethos-u.", fix="Settings are system=NAME, memory=NAME and keep=FOLDER.")  # fmt: skip
        given[name] = value
    return Settings(accelerator, given["system"], given["memory"], Path(given["keep"]) if given["keep"] else None)


_DEFAULT = "ethos-u55-128"


@register_target(
    "ethos-u",
    takes="NPU[,system=NAME][,memory=NAME][,keep=FOLDER]",
    reads=lambda settings: read_settings(settings or _DEFAULT),
)
class EthosU:
    """Vela for one NPU, system and memory mode.

    Raises:
        MissingDependencyError: Vela is not there.
        UsageError: It has no such NPU, system or memory mode.
    """

    kind: TargetKind = "simulator"
    good_for: tuple[Figure, ...] = ("memory",)

    def __init__(self, settings: str = _DEFAULT) -> None:
        self._settings = read_settings(settings)
        ETHOS_U.require("The target ethos-u")
        self.name = f"ethos-u:{self._settings.shown}"
        self._tool = f"ethos-u-vela {ETHOS_U.pins['ethos-u-vela']}"
        _check_sections(self._settings)

    def identity(self) -> dict[str, Any]:
        found = self._settings
        kept = {"keep": str(found.keep)} if found.keep is not None else {}  # what was kept elsewhere is compiled again
        named = {"accelerator": found.accelerator, "system": found.system, "memory": found.memory}
        return {"runtime": self._tool, **named, **kept}

    def close(self) -> None:
        return

    def examine(self, path: Path, *, graph: Graph) -> Examination:
        with temporary_folder(scratch(), "vela-") as folder:
            shutil.copyfile(path, folder / "network.tflite")
            words = self._compile(folder, path.name, graph)
            try:
                summary = read_summary(folder / f"network_summary_{self._settings.system}.csv")
                on_cpu = read_on_cpu(folder / "network_per-layer.csv")
            except (OSError, ValueError) as error:
                raise ModelError(
                    f"{self._tool} compiles {path.name}, but its tables cannot be read.", why=str(error)
                ) from error
            placements = _placements(graph, layers_or_edges_of(path, graph), on_cpu, read_reasons(words))
            if self._settings.keep is not None:
                self._settings.keep.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / "network_vela.tflite", self._settings.keep / f"{path.stem}_vela.tflite")
        return self._examination(path.stem, summary, placements)

    def _compile(self, folder: Path, name: str, graph: Graph) -> str:
        command = [
            str(ETHOS_U.python), "-I", "-m", "ethosu.vela", "network.tflite", *self._settings.arguments(),
            "--config", _CONFIGURATION, "--output-dir", ".", "--verbose-performance",
        ]  # fmt: skip
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", check=False,
        )  # fmt: skip
        if done.returncode == 0:
            return done.stdout
        if done.returncode < 0:
            number = signal.Signals(-done.returncode).name
            int4 = (
                " Its weights are int4, and Vela takes weights of 8 bits."
                if "int4" in graph.weight_bytes_by_dtype
                else ""
            )
            raise ModelError(f"{name} crashes {self._tool}.", why=f"It ended with {number}.{int4}")
        raise ModelError(f"{self._tool} does not compile {name}.", why=last_words(done.stdout))

    def _examination(self, name: str, found: Summary, placements: tuple[Placement, ...]) -> Examination:
        left = sum(one.where == "CPU" for one in placements)
        any_there = left < len(placements)
        notes = [f"{name} takes {found.dram_bytes:,} bytes of DRAM."] if found.dram_bytes else []
        if left and any_there:
            stay = "the operator that stays" if left == 1 else f"the {left} operators that stay"
            notes.append(f"The estimate for {name} leaves out {stay} on the CPU.")
        if not any_there:
            notes.append(f"No operator of {name} runs on the NPU.")
        return Examination(
            tool=self._tool,
            configuration=f"{self._settings.accelerator} at {found.clock_hz / 1e6:.0f} MHz, system configuration {found.system_config}, "
            f"memory mode {found.memory_mode}",
            placements=placements,
            sram_bytes=found.sram_bytes if any_there else None,
            flash_bytes=(found.flash_bytes or None) if any_there else None,
            estimated_ms=found.inference_s * 1e3 if any_there else None,
            notes=tuple(notes),
        )


def _placements(
    graph: Graph, layers: list[str], on_cpu: frozenset[str], reasons: Mapping[str, str]
) -> tuple[Placement, ...]:
    shown = {
        tensor: layer
        for one, layer in zip(graph.operators, layers, strict=True)
        for tensor in (*(one.inputs if layer.startswith("input '") else ()), *one.outputs)
        if layer
    }
    found = []
    for index, (operator, layer) in enumerate(zip(graph.operators, layers, strict=True)):
        (output, *_) = operator.outputs or ("",)
        stays = output in on_cpu
        why = _in_layers(reasons.get(output, "Vela gives no reason"), shown) if stays else None
        found.append(Placement(index=index, op=operator.name, layer=layer, where="CPU" if stays else "NPU", why=why))
    return tuple(found)


def _in_layers(words: str, layers: Mapping[str, str]) -> str:
    """Puts the user's layers in the place of tensors, the longest names first."""
    for tensor in sorted(layers, key=len, reverse=True):
        words = words.replace(f"({tensor})", f"({layers[tensor]})").replace(f"({tensor}_act)", f"({layers[tensor]})")
    return words


def _check_sections(settings: Settings) -> None:
    parser = configparser.ConfigParser()
    parser.read(ETHOS_U.folder.glob(f"[Ll]ib*/**/ethosu/config_files/{_CONFIGURATION}"), encoding="utf-8")
    wanted = {
        "System_Config": ("system configuration", settings.system),
        "Memory_Mode": ("memory mode", settings.memory),
    }
    for kind, (shown, name) in wanted.items():
        known = [section.partition(".")[2] for section in parser.sections() if section.startswith(f"{kind}.")]
        if name not in known:
            raise UsageError(f"Vela has no {shown} '{name}'.", fix=f"Choose from: {', '.join(known)}.")
