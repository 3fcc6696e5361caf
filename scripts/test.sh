#!/usr/bin/env bash
# Sets everything up and runs all checks: bash scripts/test.sh [PYTEST ARGUMENTS]
#   --fast   what to run before each commit: checks of the code, and the tests that need no TensorFlow, Maven or browser
#   --light  the same tests in a new virtual environment that has the light install only
if [ "${1:-}" = --light ]; then
  TFLITEKIT_VENV=$(mktemp -d)
  trap 'rm -rf "$TFLITEKIT_VENV"' EXIT
  kit=('.[test]')
fi
. "$(dirname "$0")/environment.sh"
check() {
  ruff check .
  ruff format --check .
  mypy
  lint-imports
}
ssh_server() {
  if [ ! -x /usr/sbin/sshd ] && command -v apt-get > /dev/null; then
    echo "Installing an ssh server for the tests of boards (Debian package openssh-server) ..." >&2
    { as_root apt-get update -qq && as_root apt-get install -y -qq --no-install-recommends openssh-server openssh-client; } > /dev/null ||
      echo "That failed: these tests are skipped (in CI they fail)." >&2
  fi
}
# Two processes, each file whole in one of them (tests/conftest.py): much of a test is one core at work, such as building a graph.
case ${1:-} in
  --fast)
    check
    exec python -m pytest -n 2 -m "not slow" tests/unit tests/tflite "${@:2}"
    ;;
  --light)
    ssh_server
    python -m pytest -n 2 tests/unit tests/tflite "${@:2}"
    exit
    ;;
esac
ssh_server
has_browser() { command -v chromedriver && { command -v chromium || command -v google-chrome; }; }
if ! has_browser > /dev/null && command -v apt-get > /dev/null; then
  echo "Installing Chromium for the tests of pages and of the web runtime (Debian packages chromium and chromium-driver) ..." >&2
  { as_root apt-get update -qq && as_root apt-get install -y -qq chromium chromium-driver; } > /dev/null ||
    echo "That failed: the tests in a browser are skipped (in CI they fail)." >&2
fi
if ! command -v npm > /dev/null && command -v apt-get > /dev/null; then
  echo "Installing npm, which brings the web runtime (Debian package npm) ..." >&2
  { as_root apt-get update -qq && as_root apt-get install -y -qq --no-install-recommends npm; } > /dev/null || true
fi
tflitekit setup browser > /dev/null ||
  echo "There is no web runtime: its tests are skipped (in CI they fail)." >&2
for name in tflm ethos-u; do
  tflitekit setup $name > /dev/null ||
    echo "There is no environment $name: its tests are skipped (in CI they fail)." >&2
done
for name in arm64 gpu; do  # packages of 105 MB in the user's folder for caches, once
  tflitekit setup "$name" > /dev/null || echo "There is no $name: its tests are skipped (in CI they fail)." >&2
done
android=$(python android_demo/offline/build_apk.py --missing)
command -v adb > /dev/null || android="$android adb"
if [ -n "$android" ] && command -v apt-get > /dev/null; then
  echo "Installing what builds the Android app and talks to phones (Debian packages" $android") ..." >&2
  { as_root apt-get update -qq && as_root apt-get install -y -qq $android; } > /dev/null ||
    echo "That failed: the tests of the app are skipped (in CI they fail)." >&2
fi
check
exec python -m pytest -n 2 "$@"
