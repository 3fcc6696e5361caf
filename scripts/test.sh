#!/usr/bin/env bash
# Sets everything up and runs all checks: bash scripts/test.sh [PYTEST ARGUMENTS]
#   --fast   what to run before each commit: checks of the code, and the tests that need no TensorFlow, Maven or browser
#   --thorough  also the tests that take long and differ little from others
#   --light  the same tests in a new virtual environment that has the light install only
if [ "${1:-}" = --light ]; then
  TFLITEKIT_VENV=$(mktemp -d)
  trap 'rm -rf "$TFLITEKIT_VENV"' EXIT
  kit=('.[test]')
fi
check() {
  ruff check .
  ruff format --check .
  lint-imports
}
# Installs Debian packages that are missing, all at once: PROGRAM=PACKAGES...
debian() {
  local missing=() wanted
  for wanted in "$@"; do
    command -v "${wanted%%=*}" > /dev/null || missing+=(${wanted#*=})
  done
  [ ${#missing[@]} -eq 0 ] && return
  command -v apt-get > /dev/null || return 0
  echo "Installing what tests need (Debian packages ${missing[*]}) ..." >&2
  { as_root apt-get update -qq && as_root apt-get install -y -qq --no-install-recommends "${missing[@]}"; } > /dev/null ||
    echo "That failed: the tests that need them are skipped (in CI they fail)." >&2
}
# What tests of the light install need, and with `all` those of the whole one.
packages() {
  local more=(chromedriver="chromium chromium-driver fonts-liberation" npm=npm adb=adb pg_lsclusters=postgresql)
  [ "$1" = all ] || more=()
  PATH="$PATH:/usr/sbin" debian sshd="openssh-server openssh-client" "${more[@]}"
}
case ${1:-} in
  --fast) ;;
  --light) meanwhile() { packages light; } ;;
  *) meanwhile() { packages all; } ;;
esac
. "$(dirname "$0")/environment.sh"
# Each file whole in one process (tests/conftest.py).
case ${1:-} in
  --fast)
    check
    mypy
    exec python -m pytest -n 2 -m "not slow" tests/unit tests/tflite "${@:2}"
    ;;
  --light)
    python -m pytest -n 2 tests/unit tests/tflite "${@:2}"
    exit
    ;;
esac
debian "-=$(python android_demo/offline/build_apk.py --missing)"
# What targets run in, once, in the user's folder for caches: 360 MB.
for name in browser tflm ethos-u arm64 gpu; do
  tflitekit setup "$name" > /dev/null || echo "There is no $name: its tests are skipped (in CI they fail)." >&2
done &
setups=$!
# Types take one core a minute: the tests do not wait for it, and what is wrong with types is said last.
report=$(mktemp)
mypy > "$report" 2>&1 &
types=$!
trap 'kill "$types" 2> /dev/null || true; rm -f "$report"' EXIT
# Compiles what tests import, which each of their processes would do at the same time. What cannot be collected is told below.
python -m pytest --collect-only -qq > /dev/null 2>&1 &
collected=$!
check
wait "$setups"
wait "$collected" || true
if [ "${1:-}" = --thorough ]; then shift; else set -- -m "not thorough" "$@"; fi
failed=0
# Three processes on two cores: tests wait for browsers, phones, boards and other processes. With four, what measures is disturbed.
python -m pytest -n 3 "$@" || failed=$?
wait "$types" || failed=$?
cat "$report"
exit "$failed"
