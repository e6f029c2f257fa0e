# Sourced by every role: installs from the local repository without starting anything.
set -eu
export DEBIAN_FRONTEND=noninteractive
ip link set lo up
touch /run/lab-building
install_packages() {
    apt-get -q -y --no-install-recommends install "$@"
}
in_shanghai() {
    ln -sf /usr/share/zoneinfo/Asia/Shanghai /etc/localtime
    echo Asia/Shanghai >/etc/timezone
}
copy_root() {
    (cd "$1" && find . -type f) | while read -r path; do
        install -D -m 644 "$1/$path" "/$path"
    done
}
