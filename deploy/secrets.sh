#!/bin/sh
# Makes the secrets of docker-compose.yml in ./secrets, once: what is there stays. The first key is shown, only now.
#   deploy/secrets.sh [CLIENT]
set -eu
cd "$(dirname "$0")/.."
# Only the folder's owner comes in; the files themselves can be read by whatever user a container runs as.
mkdir -p secrets/tls
chmod 700 secrets
umask 022
for name in postgres_password lunar_secret grafana_password; do
  [ -s "secrets/$name" ] || od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"secrets/$name"
done
[ -s secrets/keys.txt ] ||
  docker run --rm --network none lunar-service:0.2.0 python -m service.keys new "${1:-first}" --admin >>secrets/keys.txt
