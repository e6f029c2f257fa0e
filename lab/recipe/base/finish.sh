#!/bin/sh
# Second half, with the local repository only: the bare host every role starts from.
set -eu
rm -rf /etc/apt/sources.list.d/* /etc/apt/apt.conf.d/00machine /var/lib/apt/lists/* /var/cache/apt/archives/*.deb
echo 'deb [trusted=yes] file:/opt/packages ./' >/etc/apt/sources.list
cp -a /opt/recipe/base/root/. /
chown -R root:root /etc/init.d /etc/ssh /etc/apt /etc/dpkg /usr/sbin /usr/local/sbin
apt-get -q update
apt-cache gencaches
rm -f /etc/ssh/ssh_host_* /etc/resolv.conf /etc/machine-id
update-rc.d tomcat10 defaults
update-rc.d ssh defaults
ln -sf /usr/share/zoneinfo/Etc/UTC /etc/localtime
echo Etc/UTC >/etc/timezone
