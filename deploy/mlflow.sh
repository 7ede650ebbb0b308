#!/bin/sh
# MLflow's server on PostgreSQL. The password comes from a file and stands in no container's description.
set -eu
password=$(cat /run/secrets/postgres_password)
export MLFLOW_BACKEND_STORE_URI="postgresql+psycopg://mlflow:$password@postgres:5432/mlflow"
# One worker suffices for a registry, and a second one costs 250 MB; jobs would be processes beside it.
exec mlflow server --host 0.0.0.0 --port 5000 --workers 1 --artifacts-destination /var/lib/mlflow \
  --allowed-hosts "mlflow:5000,localhost:*,127.0.0.1:*"
