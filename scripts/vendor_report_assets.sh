#!/usr/bin/env bash
# Renews the JavaScript that report.html carries: bash scripts/vendor_report_assets.sh
# Needs npm. Change a version below, run it, look at a report in a browser, run tests/browser/test_report_browser.py.
set -euo pipefail
cd "$(dirname "$0")/.."

vega=6.4.0 vega_lite=6.4.3 vega_embed=7.3.0 sortable=4.1.7
assets=$PWD/tflitekit/render/assets
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cd "$scratch"
npm init -y > /dev/null
npm install --ignore-scripts --no-audit --no-fund \
  "vega@$vega" "vega-lite@$vega_lite" "vega-embed@$vega_embed" "sortable-tablesort@$sortable" > /dev/null
cd node_modules

rm -rf "$assets"
mkdir "$assets"
for file in vega/build/vega vega-lite/build/vega-lite vega-embed/build/vega-embed sortable-tablesort/dist/sortable; do
  sed '/^\/\/# sourceMappingURL=/d' "$file.min.js" > "$assets/$(basename "$file").min.js"
done

# The minified files contain these packages. One licence text for all packages that share it.
packages=$(ls -d vega vega-* sortable-tablesort d3-* delaunator fast-json-patch internmap json-stringify-pretty-compact \
  robust-predicates semver topojson-client tslib)
declare -A users
order=()
for package in $packages; do
  text=$(find "$package" -maxdepth 1 -iname 'licen[sc]e*' | head -1)
  sum=$(sha256sum < "$text" | cut -c1-64)
  [ -n "${users[$sum]:-}" ] || order+=("$sum")
  users[$sum]+="$package "
  cp "$text" "$scratch/$sum"
done
for sum in "${order[@]}"; do
  printf '%s\n' "${users[$sum]}" | fold -s -w 100 | sed 's/ *$//'
  printf '\n'
  tr -d '\r' < "$scratch/$sum" | sed 's/[[:space:]]*$//'
  printf '\n\n%s\n\n' "$(printf '=%.0s' {1..100})"
done > "$assets/LICENSES.txt"

cat > "$assets/README.md" <<END
# JavaScript in report.html

Minified builds as their authors publish them on npm; each \`report.html\` carries them, so it opens without a network.
\`bash scripts/vendor_report_assets.sh\` wrote this folder and renews it.

| File | Package | Version | Licence |
|---|---|---|---|
| \`vega.min.js\` | vega | $vega | BSD-3-Clause |
| \`vega-lite.min.js\` | vega-lite | $vega_lite | BSD-3-Clause |
| \`vega-embed.min.js\` | vega-embed | $vega_embed | BSD-3-Clause |
| \`sortable.min.js\` | sortable-tablesort | $sortable | Unlicense |

\`LICENSES.txt\` has the licence texts of these packages and of those that are built into them.
END
ls -l "$assets"
