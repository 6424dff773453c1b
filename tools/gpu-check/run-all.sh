#!/bin/sh
# run-all.sh FOLDER [gpu-check-run options]: goes on behind a case that ended the process, at most 20 times.
folder=$1
shift
first=0
restarts=0
while :; do
  "$folder/gpu-check-run" "$folder" --first "$first" "$@" >"${TMPDIR:-/tmp}/gpu-check.log" 2>&1
  status=$?
  cat "${TMPDIR:-/tmp}/gpu-check.log"
  [ $status = 3 ] || exit $status
  restarts=$((restarts + 1))
  [ $restarts -lt 20 ] || exit 3
  first=$(sed -n 's/.*stopped at case //p' "${TMPDIR:-/tmp}/gpu-check.log" | tail -1)
done
