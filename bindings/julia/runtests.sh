#!/bin/sh
# Runs the tests of the Julia packages: runtests.sh [LibShmalloc|Shmalloc].. (both). Exit status 77: there is no Julia, and it says so.
#   JULIA          the julia to use; else that of PATH, else the one that get-julia.sh puts into build/julia
#   JULIA_DEPOT    folder for what Julia compiles (build/julia-depot)
# The library is found as any program finds it: by LD_LIBRARY_PATH, or SHMALLOC_LIBRARY.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

skip() {
    echo "SKIPPED, nothing was tested: $1"
    exit 77
}

[ -z "${SHMALLOC_SKIP:-}" ] || skip "$SHMALLOC_SKIP"
julia=${JULIA:-$(command -v julia || echo "$root/build/julia/julia")}
"$julia" --startup-file=no -e 'exit(VERSION >= v"1.5" ? 0 : 1)' 2>/dev/null ||
    skip "$julia is no Julia of version 1.5 or later; run: bindings/julia/get-julia.sh build/julia"

# Nothing is installed and no registry is asked: the packages are found because their folder is in the load path. What Julia compiles goes
# to the first depot; the empty one behind it stands for Julia's own.
export JULIA_NUM_THREADS=${JULIA_NUM_THREADS:-2}
export JULIA_LOAD_PATH="$here:@stdlib" JULIA_DEPOT_PATH="${JULIA_DEPOT:-$root/build/julia-depot}:"
[ $# -gt 0 ] || set -- LibShmalloc Shmalloc
for package; do
    "$julia" --startup-file=no --color=no "$here/$package/test/runtests.jl"
done
