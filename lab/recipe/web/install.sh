#!/bin/sh
. /opt/recipe/role.sh
install_packages nginx php-fpm php-mysql php-curl php-mbstring
in_shanghai
groupadd --gid 1500 shop
useradd --uid 1500 --gid shop --create-home --shell /bin/bash --comment "Shop application" shop
usermod --append --groups shop www-data
copy_root /opt/recipe/web/root
version=$(ls /etc/php)
sed "s/@VERSION@/$version/" /opt/recipe/web/pool.conf >"/etc/php/$version/fpm/pool.d/shop.conf"
rm -f "/etc/php/$version/fpm/pool.d/www.conf" /etc/nginx/sites-enabled/default
ln -s ../sites-available/shop /etc/nginx/sites-enabled/shop
mkdir -p /var/www/shop/uploads /var/log/shop
head -c 200000 /dev/zero | openssl enc -aes-128-ctr -K 00 -iv 00 >/var/www/shop/assets/img/banner.bin 2>/dev/null ||
    head -c 200000 /dev/zero >/var/www/shop/assets/img/banner.bin
chown -R shop:shop /var/www/shop /var/log/shop
chmod 2775 /var/www/shop/uploads
update-rc.d nginx defaults
update-rc.d "php$version-fpm" defaults
