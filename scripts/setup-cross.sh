#!/usr/bin/env bash
# Sets up one cross build of docs/portability.md. Usage: setup-cross.sh arm|riscv|wasm
#   arm    the compiler and the emulator; the libraries for arm64 unpacked in .cross/aarch64-linux-gnu, so that the
#          system's own packages stay as they are
#   riscv  the compiler and the emulator
#   wasm   Zig in .cross/venv; node runs the tests
set -euo pipefail
cd "$(dirname "$0")/.."

# Unpacks the libraries of a foreign Debian architecture below a folder. Usage: unpack_libraries ARCHITECTURE FOLDER
unpack_libraries() {
  local packages=(libjpeg62-turbo libjpeg62-turbo-dev libpng16-16 libpng-dev zlib1g zlib1g-dev libwebp7 libwebpdemux2
                  libwebpmux3 libwebp-dev libpcre2-8-0 libpcre2-posix3 libpcre2-dev libfmt9 libfmt-dev libgtest-dev
                  libgmock-dev nlohmann-json3-dev libcli11-dev libtomlplusplus3
                  libtomlplusplus-dev)
  [ "$(cat "$2/.packages" 2>/dev/null)" = "${packages[*]}" ] && return
  echo "Unpacking the libraries for $1 in $2"
  rm -rf "$2"
  local work
  work=$(mktemp -d)
  mkdir -p "$2" "$work"/{state/lists/partial,cache/archives/partial,packages}
  : >"$work/status"
  # An index of its own: neither root nor a change to the system's is needed.
  local options=(-qq -o "APT::Architecture=$1" -o "APT::Architectures::=$1" -o "Dir::State=$work/state"
                 -o "Dir::State::status=$work/status" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=)
  apt-get "${options[@]}" update
  (cd "$work/packages" && apt-get "${options[@]}" download "${packages[@]}")
  local package
  for package in "$work"/packages/*.deb; do dpkg-deb --extract "$package" "$2"; done
  rm -rf "$work"
  echo "${packages[*]}" >"$2/.packages"
}

case "${1:-}" in
  arm)
    scripts/setup-system.sh arm
    unpack_libraries arm64 .cross/aarch64-linux-gnu
    ;;
  riscv)
    scripts/setup-system.sh riscv
    ;;
  wasm)
    scripts/setup-system.sh wasm
    requirements=scripts/requirements-wasm.txt
    stamp=.cross/venv/.requirements
    [ -f "$stamp" ] && cmp -s "$requirements" "$stamp" && exit 0
    python3 -m venv .cross/venv
    .cross/venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$requirements"
    cp "$requirements" "$stamp"
    ;;
  *)
    echo "usage: $0 arm|riscv|wasm" >&2
    exit 2
    ;;
esac
