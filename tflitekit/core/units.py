"""Times and numbers of things as people read them."""

__all__ = ["counted", "duration"]


def counted(number: int, noun: str, plural: str = "") -> str:
    """Returns '1 thread' or '2,000 threads'; ``plural`` is for nouns that do not just add an s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def duration(ms: float) -> str:
    """Returns a time with its unit and three significant digits: '1.23 ms', or '12.3 µs' below 0.1 ms."""
    return f"{_three_digits(ms * 1000)} µs" if 0 < ms < 0.1 else f"{_three_digits(ms)} ms"


def _three_digits(value: float) -> str:
    return f"{value:.0f}" if value >= 99.95 else f"{value:#.3g}"
