"""Where a model comes from: recognised, checked, loaded, exported."""
