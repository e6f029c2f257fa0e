#!/bin/sh
. /opt/recipe/role.sh
install_packages tomcat10
in_shanghai
groupadd --gid 1501 orders
useradd --uid 1501 --gid orders --create-home --shell /bin/bash --comment "Orders application" orders
usermod --append --groups orders tomcat
copy_root /opt/recipe/app/root
chown -R root:tomcat /etc/orders /var/lib/tomcat10/webapps/orders
rm -rf /var/lib/tomcat10/webapps/ROOT
