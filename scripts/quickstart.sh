#!/usr/bin/env bash
# Sets everything up and runs the main job on the embedded digits: bash scripts/quickstart.sh [OUT]
. "$(dirname "$0")/environment.sh"
exec tflitekit quickstart --out "${1:-quickstart}"
