"""What one inference takes from a battery or a socket, above what the machine takes when it idles."""

from __future__ import annotations

from tflitekit.core.parts import Part

__all__ = ["Energy"]


class Energy(Part):
    """Energy of one inference under sustained load.

    Attributes:
        joules: Of one inference, with the power of the idle machine subtracted; ``low`` and ``high`` are its 95 % interval.
        load_watts: Mean power under load; ``idle_watts`` before it.
        inferences: How many the load ran.
        meter: What measured, as in 'battery current and voltage'.
        coarse: Whether the meter is one that makers do not calibrate, as the one of a battery.
    """

    joules: float
    low: float
    high: float
    load_watts: float
    idle_watts: float
    inferences: int
    meter: str
    coarse: bool = False
