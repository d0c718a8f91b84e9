#!/usr/bin/env bash
# test.sh LUA MODULE_FOLDER: the module in one process, then one buffer in two.
set -euo pipefail
lua=$1 here=$(dirname "${BASH_SOURCE[0]}")
export LUA_CPATH="$2/?.so"

"$lua" "$here/test.lua"

coproc OWNER { exec "$lua" "$here/owner.lua"; }
owner=$OWNER_PID
exec {from_owner}<&"${OWNER[0]}" {to_owner}>&"${OWNER[1]}"
trap 'kill "$owner" 2>/dev/null || true' EXIT
read -r handle <&"$from_owner"
changed=$("$lua" "$here/changer.lua" "$handle")
echo go on >&"$to_owner"
read -r seen <&"$from_owner"
wait "$owner"

printf '%s\n' "$changed" "$seen"
[ "$changed" = 'the other process reads: hello' ]
[ "$seen" = 'the owner reads: Jello, and -12345678901' ]

# The text of a process that is gone opens nothing.
if answer=$("$lua" "$here/changer.lua" "$handle" 2>&1); then
  echo "the handle of a dead process was opened" && exit 1
fi
grep -q PEER_GONE <<<"$answer"
