"""The process of the command line: ``tflitekit`` and ``python -m tflitekit``.

What can go wrong around a command is settled before anything of weight is imported: signals, standard streams, and
files of the working directory that have the names of libraries.
"""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Entry point of the ``tflitekit`` command."""
    if __name__ == "__main__" and not sys.flags.safe_path:
        del sys.path[0]  # the working directory, which -m puts before the libraries
    from tflitekit.core.lifetime import Stopped, finished, stoppable
    from tflitekit.core.streams import standard_streams

    code: int | str | None = 0
    with stoppable():
        try:
            with standard_streams():
                code = _run()
        except Stopped as stopped:
            finished()
            sys.stderr.write("Stopped.\n")
            code = stopped.exit_code
        except Exception as error:  # noqa: BLE001 - what the machine lacks is told; the rest is raised again
            code = _tell(error)
    sys.exit(code)


def _run() -> int | str | None:
    from tflitekit.cli import app

    try:
        app()
    except SystemExit as stopped:
        return stopped.code
    return 0


def _tell(error: Exception) -> int:
    from tflitekit.core.errors import as_known

    known = as_known(error)
    if known is None:
        raise error
    from tflitekit.cli.console import show_error

    show_error(known)
    return known.exit_code


if __name__ == "__main__":
    main()
