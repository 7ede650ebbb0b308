#!/bin/sh
# What the containers of the profile dicom run. The secrets come from files and stand in no container's description.
#   orthanc.sh orthanc|forward
set -eu
ORTHANC_PASSWORD=$(cat /run/secrets/orthanc_password)
export ORTHANC_PASSWORD
if [ "$1" = orthanc ]; then exec Orthanc /etc/lunar/orthanc.json; fi
LUNAR_KEY=$(cat /run/secrets/forward_key)
export LUNAR_KEY
exec python forward.py
