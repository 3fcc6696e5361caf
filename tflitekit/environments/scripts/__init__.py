"""Programs that run in an environment, without the kit."""
