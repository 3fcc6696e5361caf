"""Which type for each layer: searches for the file that loses no more than is allowed and costs least."""

from tflitekit.search.run import CANDIDATES, Found, Search, SearchLimits, Selected, Setting

__all__ = ["CANDIDATES", "Found", "Search", "SearchLimits", "Selected", "Setting"]
