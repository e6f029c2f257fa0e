#!/bin/sh
# db-1: the data is loaded once, here; `up` only mounts it.
. /opt/recipe/role.sh
in_shanghai
mkdir -p /run/mysqld /etc/sysctl.d
chown mysql:mysql /run/mysqld
printf 'net.core.somaxconn = 4096\nnet.ipv4.tcp_keepalive_time = 120\n' >/etc/sysctl.d/60-db.conf
useradd --uid 1503 --user-group --create-home --comment "Database backup" dbbackup
mariadbd --user=mysql --skip-networking --skip-log-bin --event-scheduler=OFF --innodb-flush-log-at-trx-commit=0 &
until mariadb-admin --silent ping; do sleep 0.2; done
mariadb --default-character-set=utf8mb4 </opt/recipe/shop/schema.sql
mariadb --default-character-set=utf8mb4 shop </opt/recipe/shop/rows.sql
mariadb --default-character-set=utf8mb4 shop </opt/recipe/shop/programs.sql
mariadb -e 'SET GLOBAL innodb_fast_shutdown = 0'
mariadb-admin shutdown
wait
