#!/usr/bin/env bash
# Converts ONNX and PyTorch models for real: bash scripts/test_foreign.sh [onnx|torch] [PYTEST ARGUMENTS]
# Makes the environments that are not ready (2.6 GB and 6.6 GB, in the user's folder for caches), small networks there and then,
# and goes the whole street with each. Not part of scripts/test.sh.
. "$(dirname "$0")/environment.sh"
case ${1:-} in
  onnx | torch)
    names=$1
    shift
    ;;
  *) names="onnx torch" ;;
esac
for name in $names; do tflitekit setup "$name"; done
exec python -m pytest tests/foreign -k "${names// / or }" --durations=0 "$@"
