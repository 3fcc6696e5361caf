"""Which type for each layer: searches for the file that loses no more than is allowed and costs least."""

from tflitekit.search.clock import Clock
from tflitekit.search.run import Found, Search
from tflitekit.search.setting import SearchLimits, Selected, Setting
from tflitekit.search.workshop import CANDIDATES

__all__ = ["CANDIDATES", "Clock", "Found", "Search", "SearchLimits", "Selected", "Setting"]
