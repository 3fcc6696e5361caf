# Sourced by the scripts beside it: makes a virtual environment with the kit in it, once, and puts it on the PATH.
# TFLITEKIT_VENV chooses its folder (default: .venv), PYTHON the interpreter; `kit` is what pip installs, and a function
# `meanwhile` runs beside it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=${PYTHON:-$(command -v python3.11 || command -v python3 || true)}
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
if [ -z "$python" ] || ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  echo "Installing Python's venv module (Debian packages python3 and python3-venv) ..." >&2
  as_root apt-get update -qq
  as_root apt-get install -y -qq python3 python3-venv
  python=$(command -v python3.11 || command -v python3)
fi
"$python" -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11))' || {
  echo "tflitekit needs Python 3.11 or newer; $python is $("$python" --version). Set PYTHON to another one." >&2
  exit 2
}

venv=${TFLITEKIT_VENV:-.venv}
[ -v kit ] || kit=(-e '.[convert,dev]')
beside=
if declare -F meanwhile > /dev/null; then
  meanwhile &
  beside=$!
fi
# Python compiles what is imported, and keeps that: pip would compile twenty thousand modules, most of which nothing imports.
unset PYTHONDONTWRITEBYTECODE
wanted=$(cat pyproject.toml constraints.txt | sha256sum | cut -c1-16)
if [ "$(cat "$venv/tflitekit-installed" 2>/dev/null)" != "$wanted" ]; then
  echo "Installing into $venv (this may take a few minutes) ..." >&2
  [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt "${kit[@]}"
  echo "$wanted" > "$venv/tflitekit-installed"
fi
export PATH="$(cd "$venv" && pwd)/bin:$PATH"
[ -z "$beside" ] || wait "$beside"
