"""Programs of others that the kit keeps beside itself, each in an environment of its own. One is a file in the folder `known`."""

from __future__ import annotations

from tflitekit.core.registry import Registry
from tflitekit.environments.environment import Environment, Status
from tflitekit.environments.setup import set_up

__all__ = ["Environment", "Status", "environments", "find_environment", "register_environment", "set_up"]

_registry: Registry[Environment] = Registry("environment", f"{__name__}.known", "tflitekit.environments")


def register_environment(environment: Environment, module: str) -> None:
    """Registers an environment under its name.

    Args:
        module: Where it stands: ``__name__``.
    """
    _registry.add(environment.name, environment, module)


def environments() -> dict[str, Environment]:
    """Returns all environments by name, the kit's own first."""
    return _registry.all()


def find_environment(name: str) -> Environment:
    """Returns an environment by its name.

    Raises:
        UsageError: There is none of this name.
    """
    return _registry.find(name)
