#!/bin/sh
# Makes sure that the programs of the end-to-end tests are there: Chromium and
# php-fpm, from Debian's packages. Nothing is fetched when both are.
set -eu

# Debian adds the version to the name of php-fpm, and puts it where the PATH of
# ordinary users does not look.
missing() {
	packages=
	command -v chromium >/dev/null || packages="chromium"
	set -- /usr/sbin/php-fpm*
	test -x "$1" || packages="$packages php-fpm"
	echo "$packages"
}

. "$(dirname "$0")/debian.sh"
