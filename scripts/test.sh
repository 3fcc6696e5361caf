#!/usr/bin/env bash
# Sets everything up and runs all checks: bash scripts/test.sh [PYTEST ARGUMENTS]
. "$(dirname "$0")/environment.sh"
ruff check .
ruff format --check .
mypy
exec python -m pytest "$@"
