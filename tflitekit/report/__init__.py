"""Renderers: a `Report` in, something to look at out. They measure nothing and decide nothing."""
