"""What stands in a ``.tflite`` file, and how it runs."""
