#!/bin/sh
# First half, with the machine's own package sources: fetch every package of the estate.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
# shellcheck disable=SC2046
apt-get -q -y --no-install-recommends --download-only -o Dir::Cache::archives=/opt/fetched install $(cat /opt/recipe/packages.txt)
cd /opt/fetched
rm -rf partial lock
apt-ftparchive packages . >Packages
apt-ftparchive -o APT::FTPArchive::Release::Suite=lab release . >/tmp/Release
mv /tmp/Release Release
