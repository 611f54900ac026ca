#!/bin/sh
# Makes sure that Apache and mod_auth_openidc are there, from Debian's packages.
# Nothing is fetched when both are. The package apache2-bin has the program alone,
# without the service that apache2 starts on port 80.
set -eu

missing() {
	packages=
	test -x /usr/sbin/apache2 || packages="apache2-bin"
	test -e /usr/lib/apache2/modules/mod_auth_openidc.so || packages="$packages libapache2-mod-auth-openidc"
	echo "$packages"
}

fail() {
	echo "install.sh: $1" >&2
	exit 1
}

packages=$(missing)
test -n "$packages" || exit 0

command -v apt-get >/dev/null || fail "there is no apt-get; install these yourself: $packages"
root=
if test "$(id -u)" -ne 0; then
	command -v sudo >/dev/null || fail "run this as root, or install these yourself: $packages"
	root=sudo
fi

# Another apt may be at work, as on a machine that has just started.
apt() { $root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@"; }

apt update || fail "the list of packages cannot be fetched"
# One word per package.
# shellcheck disable=SC2086
apt install -y --no-install-recommends $packages || fail "these packages cannot be installed: $packages"

packages=$(missing)
test -z "$packages" || fail "installed, and still not there: $packages"
