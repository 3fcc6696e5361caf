"""Runs in any Python, without the kit: prints its version, and those of the packages that are named and installed."""

import json
import sys
from importlib.metadata import PackageNotFoundError, version

found = {}
for name in sys.argv[1:]:
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        continue
print(json.dumps({"python": sys.version_info[:3], "packages": found}))  # noqa: T201
