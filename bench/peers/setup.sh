#!/usr/bin/env bash
# Makes .venv-peers with the engines that BitMar is compared with, and builds the release with its timing program.
# llama.cpp is compiled for this very processor, which takes some ten minutes on two cores.
set -euo pipefail
cd "$(dirname "$0")/../.."

cmake --preset release -DBITMAR_BENCH=ON
cmake --build build --target bitmar peer_timer -j"$(nproc)"

requirements=bench/peers/requirements.txt
stamp=.venv-peers/.requirements
[ -f "$stamp" ] && cmp -s "$requirements" "$stamp" && exit 0

python3 -m venv .venv-peers
# From source: a ready-made wheel leaves out what this processor has beyond the common ones.
CMAKE_ARGS="-DGGML_NATIVE=ON -DCMAKE_BUILD_TYPE=Release -DLLAVA_BUILD=OFF" CMAKE_BUILD_PARALLEL_LEVEL="$(nproc)" \
  .venv-peers/bin/python -m pip install --disable-pip-version-check --no-binary llama-cpp-python -r "$requirements"
cp "$requirements" "$stamp"
