"""The workers of a distributed training, as ``TF_CONFIG`` names them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

from tflitekit.core.errors import UnreadableError, UsageError
from tflitekit.core.structured import parse_json

__all__ = ["Members", "parse_members", "read_members"]

_EXAMPLE = '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):([0-9]{1,5})")


@dataclass(frozen=True)
class Members:
    """Who trains together.

    Attributes:
        workers: Their addresses, the chief's first.
        index: This process among them.
    """

    workers: tuple[str, ...]
    index: int

    @property
    def is_chief(self) -> bool:
        """Whether this process converts and writes; the others train along."""
        return self.index == 0

    def name(self, index: int) -> str:
        """Returns a worker's name for people."""
        return f"worker {index} ({self.workers[index]})"


def read_members() -> Members:
    """Returns the members that the environment variable ``TF_CONFIG`` describes.

    Raises:
        UsageError: It is missing or malformed.
    """
    text = os.environ.get("TF_CONFIG")
    if not text:
        raise _error("it is not set")
    return parse_members(text)


def parse_members(text: str) -> Members:
    """Parses the value of ``TF_CONFIG``.

    Raises:
        UsageError: It is malformed.
    """
    try:
        value = parse_json(text, "TF_CONFIG")
    except UnreadableError as error:
        raise _error(error.reason) from None
    cluster, task = _field(value, "cluster", dict), _field(value, "task", dict)
    other = sorted(set(cluster) - {"chief", "worker"})
    if other:
        raise _error(f"it has tasks of type '{other[0]}', but there are only 'chief' and 'worker'")
    chiefs, workers = (_addresses(cluster, kind) for kind in ("chief", "worker"))
    if len(chiefs) > 1:
        raise _error("it has more than one chief")
    everyone = (*chiefs, *workers)
    if not everyone:
        raise _error("it has no workers")
    if len(set(everyone)) < len(everyone):
        raise _error("two workers have the same address")
    kind, index = _field(task, "type", str), _field(task, "index", int)
    if kind not in ("chief", "worker"):
        raise _error(f"this task has the type '{kind}', but there are only 'chief' and 'worker'")
    group = chiefs if kind == "chief" else workers
    if not 0 <= index < len(group):
        raise _error(f"this task is {kind} {index}, but the cluster has {len(group)} of that type")
    return Members(everyone, index + (len(chiefs) if kind == "worker" else 0))


def _addresses(cluster: dict[str, Any], kind: str) -> list[str]:
    found = cluster.get(kind, [])
    if not isinstance(found, list) or not all(isinstance(address, str) for address in found):
        raise _error(f"'{kind}' is not a list of addresses")
    for address in found:
        matched = _ADDRESS.fullmatch(address)
        if not matched or not 0 < int(matched[2]) < 65536:
            raise _error(f"'{address}' is not an address such as host1:2222")
    return found


def _field(value: Any, name: str, kind: type) -> Any:
    found = value.get(name) if isinstance(value, dict) else None
    if not isinstance(found, kind) or isinstance(found, bool):
        raise _error(f"it has no field '{name}'" if found is None else f"the field '{name}' is of the wrong type")
    return found


def _error(why: str) -> UsageError:
    return UsageError(
        "--strategy multi-worker needs the environment variable TF_CONFIG, which names all workers and this one.",
        why=f"Its value cannot be used: {why}." if why != "it is not set" else "It is not set.",
        fix=f"Set it on every machine, with its own index: TF_CONFIG='{_EXAMPLE}'.",
    )
