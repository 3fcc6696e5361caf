"""``python -m tflitekit`` is the command line."""

from tflitekit.cli import main

main()
