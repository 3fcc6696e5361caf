"""The environments of `tflitekit setup` that a test needs."""

import os

import pytest

from tflitekit.environments import Environment, find_environment


def ready(name: str) -> Environment:
    """Returns an environment; skips where it is not ready, but fails where CI runs."""
    found = find_environment(name)
    status = found.status()
    if status.state != "ready":
        absent = f"The environment '{name}' is {status.state}: {found.setup_command}"
        (pytest.fail if os.environ.get("CI", "").lower() == "true" else pytest.skip)(absent)
    return found
