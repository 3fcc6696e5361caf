"""Models of other frameworks: each is converted in a Python environment of its own, whose packages clash with the kit's."""
