#!/bin/sh
# One page and one training run: serves the starter, trains CONFIG beside it, then serves what was trained.
set -eu
config=$1
python -m inference.registry starter models/starter
python -m service &
service=$!
trap 'kill "$service"' TERM INT
{ python -m training run "$config" && python -m training promote; } || echo "Not trained; the page serves on." >&2
wait "$service"
