"""Makes an environment, or finishes and repairs it."""

from __future__ import annotations

from tflitekit.core.caches import OTHER_CACHE
from tflitekit.core.errors import BusyError
from tflitekit.core.files import locked, write_json
from tflitekit.core.lifetime import temporary_folder
from tflitekit.core.progress import Progress
from tflitekit.environments.environment import Environment
from tflitekit.environments.workshop import Workshop

__all__ = ["set_up"]


def set_up(environment: Environment, progress: Progress) -> bool:
    """Makes an environment; what an interrupted setup finished, or the installer's cache has, is not downloaded again.

    Returns:
        False where it was ready already.

    Raises:
        MissingDependencyError: It cannot be made.
        StorageError: There is not enough space.
        BusyError: Another process makes one.
    """
    parent = environment.folder.parent
    try:
        with locked(parent, OTHER_CACHE):
            if environment.status().state == "ready":
                return False
            environment.mark.unlink(missing_ok=True)
            environment.log.unlink(missing_ok=True)
            # What a killed setup left there is removed by the next one.
            with (
                progress.task(f"Making the environment for {environment.purpose} ({environment.size})", None),
                temporary_folder(parent, "setup-") as temporary,
            ):
                environment.make(Workshop(environment.purpose, environment.setup_command, environment.log, temporary))
            write_json(environment.mark, environment.wanted())
    except BusyError as error:
        raise BusyError(
            f"Another 'tflitekit setup' is writing into {parent}.", fix="Wait until it has ended."
        ) from error
    return True
