"""What is wrong with the models and data of a suite, as far as a look tells: before the first entry, and before a cluster is opened."""

from __future__ import annotations

import functools
import threading
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Future, wait
from pathlib import Path

from tflitekit.cluster.depot import require_relative
from tflitekit.core.errors import DataError, MachineError, NothingThereError, TflitekitError
from tflitekit.core.printable import without_password
from tflitekit.core.process.threads import in_thread
from tflitekit.core.progress import Progress
from tflitekit.core.remote import Seen, is_url, look
from tflitekit.data.image_files import IMAGE_SUFFIXES, is_one_of
from tflitekit.data.settings import split_settings
from tflitekit.optimization.order import Order
from tflitekit.optimization.run import prepare
from tflitekit.source.models import recognize

__all__ = ["look_at", "look_behind_urls"]

_MOST_S = 20.0
"""How long stores are waited for, all of them together."""
_AT_A_TIME = 16


def _data(order: Order) -> list[str | Path]:
    """Returns the places of an order's data."""
    training = order.options.training
    named = [order.data, order.how.calibration, training.data if training is not None else None]
    return [place for place in named if place is not None]


def _urls(order: Order) -> set[str]:
    """Returns the URLs that an order names."""
    named = [order.model, *_data(order), order.how.labels, order.how.preprocess]
    return {split_settings(place)[0] for place in named if is_url(place)}


def look_behind_urls(orders: Collection[Order], progress: Progress, *, here: bool) -> dict[str, Seen | TflitekitError]:
    """Returns what is behind each URL that orders name, or what is wrong with it; nothing of those of which nobody can tell here and now.

    Args:
        here: Whether this machine is to read them. Another one may have other credentials.
    """
    urls = set().union(*map(_urls, orders))
    if not urls:
        return {}
    turn = threading.BoundedSemaphore(_AT_A_TIME)

    def seen(url: str) -> Seen:
        with turn:
            return look(url)

    with progress.task("Looking behind URLs", None):
        looks = {url: in_thread(functools.partial(seen, url)) for url in sorted(urls)}
        ended = wait(looks.values(), _MOST_S).done
    late = [without_password(url) for url, found in looks.items() if found not in ended]
    if late:
        progress.note(f"Not answered within {_MOST_S:.0f} seconds, and looked at when it is read: {', '.join(late)}.")
    return dict(_told({url: found for url, found in looks.items() if found in ended}, progress, here=here))


def _told(
    looks: Mapping[str, Future[Seen]], progress: Progress, *, here: bool
) -> Iterator[tuple[str, Seen | TflitekitError]]:
    for url, found in looks.items():
        error = found.exception()
        if error is None:
            yield url, found.result()
        elif isinstance(error, TflitekitError) and (isinstance(error, NothingThereError) or (here and _lasts(error))):
            yield url, error
        else:
            said = error.what if isinstance(error, TflitekitError) else f"{without_password(url)}: {error!r}."
            progress.note(f"{said} It is tried again when it is read.")


def _lasts(error: TflitekitError) -> bool:
    """Whether it will be no better when an entry comes to it, as it may be where a store does not answer."""
    return not isinstance(error, MachineError)


def look_at(order: Order, there: Mapping[str, Seen | TflitekitError], *, here: bool, depot: str | None = None) -> None:
    """Raises what is wrong with the files of an order, as far as they are on this machine and no code is run for another one, or behind URLs that were looked at.

    Args:
        there: What `look_behind_urls` found.
        here: Whether this machine is to carry it out.
        depot: Through which its files travel to another one.
    """
    for url in sorted(_urls(order)):
        if isinstance(found := there.get(url), TflitekitError):
            raise found
    training = order.options.training
    if training is not None and is_url(training.data):
        _check_classes(training.data, there.get(split_settings(training.data)[0]))
    named = [order.model, *_data(order)]
    if depot is not None:
        for place in _data(order):
            require_relative(place)
    local = [place for place in named if not is_url(place) and (here or Path(split_settings(place)[0]).exists())]
    if local == named:
        prepare(order)
    elif order.model in local:
        recognize(order.model)


def _check_classes(place: str, seen: Seen | TflitekitError | None) -> None:
    """Refuses pictures to train on that lie in no class folders."""
    if not isinstance(seen, Seen) or seen.folders is None or seen.folders:
        return
    if all(is_one_of(name, IMAGE_SUFFIXES) for name in seen.files):
        raise DataError(
            f"The data folder {without_password(place)} has {len(seen.files)} images but no class folders.",
            why="Training needs to know each image's class.",
            fix="Put the images into one subfolder per class.",
        )
