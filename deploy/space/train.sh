#!/bin/sh
# One page and one training run: serves the starter, trains the configuration $1 beside it, then serves the outcome.
set -eu
python -m inference.registry starter models/starter
{ python -m training run "$1" && python -m training promote || echo "Not trained; the page stays as it is." >&2; } &
exec python -m service
