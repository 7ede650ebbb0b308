#!/bin/sh
# Makes the secrets of docker-compose.yml in ./secrets, once: what is there stays. The first key is shown, only now.
# With --dicom also a key for the forwarder of the profile dicom.
#   deploy/secrets.sh [--dicom] [CLIENT]
set -eu
cd "$(dirname "$0")/.."
dicom=false
if [ "${1:-}" = --dicom ]; then dicom=true && shift; fi
case "$#:${1:-}" in 0: | 1:[!-]*) ;; *) echo "usage: deploy/secrets.sh [--dicom] [CLIENT]" >&2 && exit 2 ;; esac
new_key() { docker run --rm --network none lunar-service:0.2.0 python -m service.keys new "$@"; }
# Only the folder's owner comes in; the files themselves can be read by whatever user a container runs as.
mkdir -p secrets/tls
chmod 700 secrets
umask 022
for name in postgres_password lunar_secret grafana_password orthanc_password; do
  [ -s "secrets/$name" ] || od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"secrets/$name"
done
[ -s secrets/keys.txt ] || new_key "${1:-first}" --admin >>secrets/keys.txt
if $dicom && [ ! -s secrets/forward_key ]; then
  shown=$(new_key forwarder 2>&1 >>secrets/keys.txt) || { echo "$shown" >&2 && exit 1; }
  echo "$shown" | tail -n 1 >secrets/forward_key
fi
