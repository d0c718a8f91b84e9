#!/bin/sh
# fresh_cargo.sh HOME CARGO ARGUMENT...: runs cargo with an empty home of its own; none of our crates needs another one.
set -eu
export CARGO_HOME="$1"
rm -rf "$CARGO_HOME"
mkdir -p "$CARGO_HOME"
shift
exec "$@"
