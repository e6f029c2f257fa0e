#!/bin/sh
# Turns one overlay into the root of a host (or of a build) and becomes "$@" inside it, as PID 1 of
# the namespaces `unshare` has just made. Nothing is mounted outside: the mounts die with the process.
#   LAB_DIR  upper, work and root of the overlay     LAB_LOWER  layers below it, topmost first
#   LAB_BIND "source:target ..." read-only binds     LAB_DISK   "target:size" a disk of limited size
set -eu
umask 022
root=$LAB_DIR/root
# `volatile` spares every fsync: the estate outlives a kill -9, not a power cut. Its marker in the
# work directory would forbid the next mount, hence the fresh one.
rm -rf "$LAB_DIR/work"
mkdir -p "$root" "$LAB_DIR/upper" "$LAB_DIR/work"
mount -t overlay lab -o "lowerdir=$LAB_LOWER,upperdir=$LAB_DIR/upper,workdir=$LAB_DIR/work,index=off,metacopy=off,volatile" "$root"
if [ -d "$LAB_DIR/plant" ]; then
    tar -C "$LAB_DIR/plant" -c . | tar -C "$root" -x --no-overwrite-dir --same-owner -p
    rm -rf "$LAB_DIR/plant"
fi
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
# Only net.* belongs to the host; every other sysctl is the machine's, so a host may not write it.
mount --bind "$root/proc/sys/net" "$root/mnt"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount --move "$root/mnt" "$root/proc/sys/net"
[ ! -e "$root/proc/sysrq-trigger" ] || mount --bind /dev/null "$root/proc/sysrq-trigger"
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
mount -t tmpfs -o mode=755,size=1m,nosuid dev "$root/dev"
for node in null zero full random urandom tty; do
    touch "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777,size=64m shm "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"
mount -t tmpfs -o mode=755,size=32m,nosuid,nodev run "$root/run"
for pair in $LAB_BIND; do
    mkdir -p "$root${pair#*:}"
    mount --bind "${pair%%:*}" "$root${pair#*:}"
    mount -o remount,bind,ro "$root${pair#*:}"
done
if [ -n "${LAB_DISK:-}" ]; then
    mkdir -p "$root${LAB_DISK%%:*}"
    mount -t tmpfs -o "mode=755,size=${LAB_DISK#*:}" disk "$root${LAB_DISK%%:*}"
fi
hostname "$LAB_HOST"
cd "$root"
pivot_root . mnt
# A host has no business with the machine's clock, modules or power.
exec chroot . /bin/sh -c 'umount -l /mnt; cd /; exec setpriv --bounding-set=-sys_time,-sys_module,-sys_boot,-syslog "$@"' sh "$@"
