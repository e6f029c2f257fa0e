#!/bin/sh
. /opt/recipe/role.sh
copy_root /opt/recipe/db/root
install_packages mariadb-server mariadb-client
update-rc.d mariadb defaults
rm -f /etc/mysql/debian-start
