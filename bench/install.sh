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

. "$(dirname "$0")/../e2e/debian.sh"
