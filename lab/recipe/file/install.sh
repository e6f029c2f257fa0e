#!/bin/sh
. /opt/recipe/role.sh
install_packages rsync cron
in_shanghai
groupadd --gid 1502 share
useradd --uid 1502 --gid share --create-home --shell /bin/bash --comment "File share" share
