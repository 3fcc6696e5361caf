"""What functions and objects of other packages answer: a wrong answer is an error that names the package."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from tflitekit.core.errors import PackageError, package_of

__all__ = ["answering", "expect", "wrong_answer"]

P = ParamSpec("P")
T = TypeVar("T")


def answering(function: Callable[P, T], *types: type) -> Callable[P, T]:
    """Returns the function with each call checked: it takes the arguments, and answers with one of the types (see `expect`)."""

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            found = function(*args, **kwargs)
        except TypeError as error:
            if error.__traceback__ is not None and error.__traceback__.tb_next is None:  # it was not even entered
                raise wrong_answer(function, f"does not take what it is given: {error}") from error
            raise
        return expect(found, *types, by=function)

    return checked


def expect(found: T, *types: type, by: Any) -> T:
    """Returns an answer that is of one of the types.

    Args:
        types: The first one is what is wanted; a protocol is met by what has its members.
        by: The function or object that gave the answer.

    Raises:
        PackageError: It is of none of them.
    """
    if isinstance(found, types):
        return found
    wanted = " or ".join("None" if kind is type(None) else kind.__name__ for kind in types)
    told = "None" if found is None else f"an object of type {type(found).__name__}"
    lacking = [
        name
        for name in (*inspect.get_annotations(types[0]), *vars(types[0]))
        if getattr(types[0], "_is_protocol", False) and name[0] != "_" and not hasattr(found, name)
    ]
    without = f", which has no '{lacking[0]}'" if lacking and found is not None else ""
    raise wrong_answer(by, f"returned {told}{without}, instead of {wanted}")


def wrong_answer(by: Any, said: str) -> PackageError:
    """Returns the error for what a function or an object of a package gave, and what cannot be.

    Args:
        said: The end of a sentence that begins with where it stands: 'returned None instead of a Dataset'.
    """
    owner = getattr(by, "__self__", None if hasattr(by, "__qualname__") else by)
    found = by if owner is None else type(owner)  # a method may be inherited from the kit
    name = found.__qualname__ if owner in (None, by) else f"{found.__qualname__}.{by.__name__}"
    package = package_of(found.__module__) or found.__module__.partition(".")[0]
    return PackageError.of(package, f"{found.__module__}.{name} {said}")
