"""Times as people read them."""

__all__ = ["duration", "milliseconds"]


def milliseconds(value: float) -> str:
    """Returns a time for a place that says 'ms', with three significant digits: '1.23', but '12.3 µs' below 0.1 ms."""
    return f"{_three_digits(value * 1000)} µs" if 0 < value < 0.1 else _three_digits(value)


def duration(ms: float) -> str:
    """Returns a time with its unit and three significant digits: '1.23 ms', or '12.3 µs' below 0.1 ms."""
    shown = milliseconds(ms)
    return shown if shown.endswith("s") else f"{shown} ms"


def _three_digits(value: float) -> str:
    return f"{value:.0f}" if value >= 99.95 else f"{value:#.3g}"
