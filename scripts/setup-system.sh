#!/usr/bin/env bash
# Installs the Debian packages that are missing. Usage: setup-system.sh build|train|test|arm|riscv|wasm
set -euo pipefail

packages=(cmake ninja-build g++ pkg-config libjpeg62-turbo-dev libpng-dev libwebp-dev libpcre2-dev libcli11-dev
          libfmt-dev nlohmann-json3-dev libtomlplusplus-dev)
case "${1:-build}" in
  build) ;;
  # Open MPI is for training on several machines, which it reaches by ssh; without it one process trains alone.
  train) packages+=(libgtest-dev libgmock-dev python3-venv libjemalloc-dev libopenmpi-dev openmpi-bin openssh-client) ;;
  test) packages+=(libgtest-dev libgmock-dev libbenchmark-dev python3-venv chromium) ;;
  arm) packages+=(g++-aarch64-linux-gnu qemu-user-static) ;;
  riscv) packages+=(g++-riscv64-linux-gnu qemu-user-static googletest) ;;
  wasm) packages+=(python3-venv nodejs googletest) ;;
  *) echo "usage: $0 build|train|test|arm|riscv|wasm" >&2; exit 2 ;;
esac

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

echo "Installing: ${missing[*]}"
run=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "Please install as root: apt-get install ${missing[*]}" >&2; exit 1; }
  run=(sudo)
fi
"${run[@]}" apt-get update -qq
"${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
