#!/usr/bin/env bash
# Makes .venv with torch (the trainer links its libtorch) and the packages that the Python oracles need.
set -euo pipefail
cd "$(dirname "$0")/.."

requirements=tests/requirements.txt
stamp=.venv/.requirements
[ -f "$stamp" ] && cmp -s "$requirements" "$stamp" && exit 0

python3 -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$requirements"
cp "$requirements" "$stamp"
