"""Where a quantized file departs from its float original, and why."""
