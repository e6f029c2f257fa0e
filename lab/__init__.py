"""The practice estate: a small company's servers and its new cloud, all on this machine.

Every host is a tree of processes in namespaces of its own (network, mount, pid, uts, ipc) with its own
root, address, sshd and host keys. `lab.estate` has the commands, `lab.snapshot` and `lab.faults` what
tests need, `python -m lab` a thin command line.

Instances: `demo` has the prefix 10.77, `test` 10.79; any other name gets one of 10.81 ... 10.239.
This machine is 10.77.0.1 on the bridge `qy77` and reaches every host; hosts have no route outside.

    host     address      ports             what it is
    web-1    10.77.1.11   22 80             source: nginx + PHP-FPM site `shop`, /etc/shop/shop.ini
    app-1    10.77.1.12   22 8080           source: Tomcat 10, /orders, /etc/orders/orders.properties
    db-1     10.77.1.13   22 3306           source: MariaDB, database `shop`
    file-1   10.77.1.14   22                source: share /srv/share
    mail     10.77.1.250  25                the customer's mailbox; a local part bounce... is refused
    web-2    10.77.2.11   22                target: bare
    app-2    10.77.2.12   22                target: bare
    db-2     10.77.2.13   22 3306           target: MariaDB, empty
    file-2   10.77.2.14   22                target: bare, 256 MB disk at /data
    cloud    10.77.2.250  5000              AWS endpoint (moto), S3 included

State of an instance: $QIANYUN_LAB_STATE (default /var/lib/qianyun-lab) / NAME:

    secrets/   ssh_key, known_hosts, mysql_source_password, mysql_target_password, mysql_app_password
    mailbox/   000001.eml (raw) and 000001.json (envelope) per message
    hosts/     per host the overlay's upper directory and boot.log

SSH: user root, key only. MariaDB accounts: `migrator` on db-1 (reads everything, may freeze with SET
GLOBAL read_only), `migrator` on db-2 (everything), `shop_app` on both (the application's; also the
definer of the views and routines). Application users: shop on web-1, orders on app-1, share on file-1.
A host whose first process died is raised anew by the next `up`, in its first state; the cloud keeps its
state in memory. The regions cn-north-1, cn-northwest-1 and us-east-1 are awake in it; the keys are any.

Services are started with `service NAME start`: ssh, nginx, php8.2-fpm (Debian 12), tomcat10, mariadb.
`apt-get install` works on every host from the local repository at /opt/packages; lab/recipe/packages.txt
lists what it was made for. Only net.* sysctls can be set: the others belong to the machine.
"""
