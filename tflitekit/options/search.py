"""How much a search for the best file may try, and on what."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from tflitekit.options.base import Option, Options, Panel

__all__ = ["Budget", "SearchOptions"]


class Budget(BaseModel):
    """Either a time or a number of candidates."""

    model_config = ConfigDict(frozen=True)

    seconds: float | None = None
    trials: int | None = None


def _parse_budget(value: Any) -> Any:
    """Takes ``90s``, ``5m`` and ``200``."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return value
    number, unit = (value[:-1], value[-1]) if value[-1:] in ("s", "m") else (value, "")
    try:
        amount = float(number) if unit else int(number)
    except ValueError:
        raise ValueError("Write a time, as in 90s or 5m, or a number of candidates, as in 200.") from None
    if not 0 < amount < 1e9:
        raise ValueError("Give more than 0.")
    return Budget(seconds=amount * {"s": 1, "m": 60}[unit]) if unit else Budget(trials=int(amount))


class SearchOptions(Options):
    """How the schemes that search, such as ``mixed``, go about it.

    Attributes:
        search_budget: Without one they end by themselves.
        search_samples: When not given 5,000, or fewer where these would take more than a gigabyte; each file is judged on no more of them than
            its decision needs.
    """

    search_budget: Annotated[
        Annotated[Budget, BeforeValidator(_parse_budget)] | None,
        Option(
            Panel.MODEL,
            "Of mixed and repaired: the most time (90s, 5m) or the most candidates (200) of each search; the best file so far is kept.",
            metavar="TIME|N",
            shapes=False,
        ),
    ] = None
    search_data: Annotated[
        Any,
        Option(
            Panel.DATA,
            "What mixed and repaired judge candidates on; never the evaluation data. Default: further samples of the calibration data.",
            metavar="DATA",
            shapes=False,
        ),
    ] = None
    search_samples: Annotated[
        int | None,
        Field(ge=1),
        Option(
            Panel.DATA,
            "The most samples that candidates are judged on; only close decisions take all. Default: 5000, or what a gigabyte holds.",
            shapes=False,
        ),
    ] = None
