#!/bin/sh
# Sourced by the install scripts, which define missing(): it prints the Debian
# packages that are not there. They are installed, and where there are none the
# script that sources this ends, with nothing fetched.

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
