"""This machine, pinned to its first core (Linux)."""

import os

from tflitekit.targets import register_target
from tflitekit.targets.host import HostTarget


@register_target("host-core0")
class PinnedHost(HostTarget):
    name = "host-core0"

    def __init__(self):
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {0})  # the process that measures is started below and inherits it
        super().__init__()
        os.sched_setaffinity(0, before)

    def identity(self):
        return super().identity() | {"pinned_to": [0]}
