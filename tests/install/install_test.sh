#!/usr/bin/env bash
# Installs the library under a temporary prefix and uses it as a stranger would: from C by pkg-config, from C++ by
# find_package. Usage: install_test.sh BUILD_FOLDER MAKE_MODEL VERSION
set -euo pipefail

build=$1
make_model=$2
version=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  echo "install_test: $*" >&2
  exit 1
}

cmake --install "$build" --prefix "$work/first" --component library >/dev/null
mv "$work/first" "$work/prefix" # an installation can be moved
"$make_model" "$work/model.gguf"
library=$(find "$work/prefix" -name libbitmar.so)
PKG_CONFIG_PATH=$(dirname "$library")/pkgconfig
LD_LIBRARY_PATH=$(dirname "$library")${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export PKG_CONFIG_PATH LD_LIBRARY_PATH

[ "$(pkg-config --modversion bitmar)" = "$version" ] || fail "pkg-config does not say version $version"
# shellcheck disable=SC2046
cc -std=c11 -Wall -Wextra -Wpedantic -Werror $(pkg-config --cflags bitmar) "$here/caption_features.c" \
  $(pkg-config --libs bitmar) -o "$work/caption_features"
output=$("$work/caption_features" "$work/model.gguf")
[[ $output =~ ^"bitmar $version: "[0-9]+" tokens"$ ]] || fail "unexpected output: $output"
if message=$("$work/caption_features" "$work/none.gguf" 2>&1); then fail "a model that is not there was opened"; fi
[[ $message == "not found: $work/none.gguf: "* ]] || fail "unexpected message: $message"

# Every function that the header declares is exported, and nothing else.
exported=$(nm -D --defined-only "$library" | awk '$2 == "T" || $2 == "W" || $2 == "B" || $2 == "D" {print $3}' | sort)
declared=$(grep -v '^//' "$work/prefix/include/bitmar/bitmar.h" | grep BITMAR_API |
  grep -o 'bitmar_[a-z_]*(' | tr -d '(' | sort)
[ "$exported" = "$declared" ] || fail "exported and declared symbols differ: $(diff <(echo "$exported") <(echo "$declared"))"

unset LD_LIBRARY_PATH # CMake sets the path inside the program
cmake -S "$here/package" -B "$work/package" -DCMAKE_PREFIX_PATH="$work/prefix" >/dev/null
cmake --build "$work/package" >/dev/null
output=$("$work/package/uses_bitmar" "$work/model.gguf")
[ "$output" = "bitmar $version: 5 tokens" ] || fail "unexpected output: $output"
echo "installed and used from C and C++: $output"
