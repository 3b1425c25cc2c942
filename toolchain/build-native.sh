#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compiles shard_runtime/backends/native/source into one shared library. It contains the kernels of every
# instruction set and selects one at load time. Without a C++ compiler the script prints a note, builds
# nothing and succeeds: the slower torch backend computes instead.
#
#     toolchain/build-native.sh build/native/libteetee_native.so [more flags, such as -fsanitize=address]
set -eu

library=$1
shift
source=$(dirname "$0")/../shard_runtime/backends/native/source
compiler=${CXX:-}
for candidate in g++ c++ clang++; do
    [ -n "$compiler" ] || ! command -v "$candidate" >/dev/null 2>&1 || compiler=$candidate
done
if [ -z "$compiler" ]; then
    echo 'No C++ compiler found (g++, c++, clang++ or CXX=). The native backend is not built; the torch backend computes instead.' >&2
    exit 0
fi

# No contraction and no fast math: the source determines the order of additions and every rounding.
flags='-std=c++20 -O3 -fPIC -fvisibility=hidden -ffp-contract=off -fno-math-errno -pthread -Wall -Wextra -Wno-psabi'
# GCC 12 warns about its own intrinsics (GCC bug 105593).
flags="$flags -Wno-uninitialized -Wno-maybe-uninitialized -Wno-unknown-warning-option"
objects=$(mktemp -d)
trap 'rm -rf "$objects"' EXIT

compile() { # object, source file, flags
    object=$1 file=$2
    shift 2
    # shellcheck disable=SC2086 — flags are split into words
    "$compiler" $flags -I"$source" "$@" -c "$source/$file" -o "$objects/$object.o"
}

case $("$compiler" -dumpmachine) in
x86_64*)
    compile kernels_avx2 kernels.cpp -DTEETEE_AVX2 -mavx2 -mfma -mf16c "$@"
    compile kernels_avx512 kernels.cpp -DTEETEE_AVX512 -mfma -mf16c \
        -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mprefer-vector-width=512 "$@"
    ;;
esac
compile kernels_portable kernels.cpp "$@"
compile library library.cpp "$@"
compile pack matmul/pack.cpp "$@"
compile threads threads.cpp "$@"

mkdir -p "$(dirname "$library")"
case $("$compiler" -dumpmachine) in
# Linked statically and hidden, because the image may have another libstdc++.
*linux*) link="-static-libstdc++ -static-libgcc -Wl,--version-script=$source/exports.map" ;;
*) link= ;;
esac
# shellcheck disable=SC2086
"$compiler" -shared -pthread $link "$@" "$objects"/*.o -o "$library.new"
mv "$library.new" "$library" # atomic: never a partial library
