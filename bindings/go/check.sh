#!/bin/sh
# check.sh race|cgocheck|vet, or check.sh build FOLDER: what meson does with this module. Outputs go where GOCACHE, GOTMPDIR and FOLDER say,
# never here.
set -eu
cd "$(dirname "$0")"
mkdir -p "$GOTMPDIR"
# Go's cache does not know of headers outside of the module: another header must be another flag.
headers=$(cat ../../include/shmalloc.h ../../include/shmalloc/*.h | cksum | cut -d ' ' -f 1)
export CGO_CFLAGS="-g -O2 -DSHMALLOC_GO_HEADERS=$headers"
case $1 in
race)
  go test -count=1 -race ./... ;;
cgocheck)
  # From Go 1.21 on it is a way to build, before it was a setting of the program.
  case $(go env GOVERSION) in
  go1.19* | go1.20*) export GODEBUG=cgocheck=2 ;;
  *) export GOEXPERIMENT=cgocheck2 ;;
  esac
  go test -count=1 ./... ;;
vet)
  unformatted=$(gofmt -l .)
  if [ -n "$unformatted" ]; then
    echo "gofmt would change: $unformatted"
    exit 1
  fi
  go vet ./... ;;
build)
  go build -buildvcs=false -o "$2/" ./cmd/peer ./cmd/consumer ;;
*)
  echo "what is $1?"
  exit 2 ;;
esac
