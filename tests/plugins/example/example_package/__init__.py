"""A package outside of the kit with one of everything that can be added; CONTRIBUTING.md shows how."""
