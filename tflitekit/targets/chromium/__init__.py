"""A headless Chromium with a page that runs ``.tflite`` files through the web runtime."""
