#!/bin/sh
# Writes the registry of a running deployment into a new folder: PostgreSQL's contents, then the artifacts.
#   deploy/backup.sh FOLDER
set -eu
[ $# -eq 1 ] || { echo "usage: deploy/backup.sh FOLDER" >&2; exit 2; }
umask 077
mkdir -p "$(dirname "$1")"
mkdir "$1"
folder=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
. deploy/compose.sh
# In this order: artifacts are there before the database names them, and are never changed.
compose exec -T postgres pg_dump --username mlflow --format custom mlflow >"$folder/database.dump"
# What a run writes meanwhile, of which the dump knows nothing, ends tar with 1.
compose exec -T mlflow tar --create --directory /var/lib/mlflow . >"$folder/artifacts.tar" || [ $? -eq 1 ]
(cd "$folder" && sha256sum database.dump artifacts.tar >SHA256SUMS)
echo "$folder holds the registry. The secrets are not in it: keep a copy of ./secrets elsewhere."
