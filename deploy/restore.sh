#!/bin/sh
# Fills the registry of a new, empty deployment with a backup; then `up` starts the rest.
#   deploy/restore.sh FOLDER
set -eu
[ $# -eq 1 ] || { echo "usage: deploy/restore.sh FOLDER" >&2; exit 2; }
folder=$(cd "$1" && pwd)
(cd "$folder" && sha256sum --check --quiet SHA256SUMS)
cd "$(dirname "$0")/.."
. deploy/compose.sh
query() { compose exec -T postgres psql --username mlflow --dbname mlflow --tuples-only --no-align --command "$1"; }
compose up -d --no-build postgres
tries=60
until compose exec -T postgres pg_isready -q -h 127.0.0.1; do
  tries=$((tries - 1))
  [ "$tries" -gt 0 ] || { echo "PostgreSQL does not come up: see the logs of postgres" >&2; exit 1; }
  sleep 2
done
tables=$(query "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'")
[ "$tables" -eq 0 ] || { echo "The database is not empty ($tables tables): restore into a new deployment." >&2; exit 1; }
# The database last: as long as it is empty, the whole can be repeated.
compose run --rm --no-deps -T mlflow tar --extract --directory /var/lib/mlflow --no-same-owner <"$folder/artifacts.tar"
compose exec -T postgres pg_restore --username mlflow --dbname mlflow --no-owner --exit-on-error --single-transaction \
  <"$folder/database.dump"
echo "Restored. Start the rest: $COMPOSE up -d"
