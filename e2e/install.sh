#!/bin/sh
# Makes sure that the programs of the end-to-end tests are there: Chromium, the
# servers of applications, PHP, Python with PyJWT, Redis and haproxy, from Debian's
# packages, and axe-core from npm, in the version and with the checksum of
# package-lock.json. Nothing is fetched when all are. `install.sh chromium` is content
# with Chromium.
# These packages bring programs alone: apache2, tomcat10 and redis-server would start a
# service, each on a port of its own. That of haproxy listens nowhere.
set -eu
only=${1-}

# Debian adds the version to the name of php-fpm, and puts it where the PATH of
# ordinary users does not look.
missing() {
	packages=
	command -v chromium >/dev/null || packages="chromium"
	test -z "$only" || { echo "$packages" && return; }
	test -e /usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf || packages="$packages fonts-droid-fallback"
	command -v npm >/dev/null || packages="$packages npm"
	set -- /usr/sbin/php-fpm*
	test -x "$1" || packages="$packages php-fpm"
	test -e /usr/lib/apache2/modules/mod_cgid.so || packages="$packages apache2-bin"
	test -x /usr/bin/gunicorn || packages="$packages gunicorn"
	test -x /usr/bin/java || packages="$packages default-jre-headless"
	test -e /usr/share/java/tomcat10-catalina.jar || packages="$packages libtomcat10-java"
	command -v php >/dev/null || packages="$packages php-cli"
	/usr/bin/python3 -c "import jwt" 2>/dev/null || packages="$packages python3-jwt"
	/usr/bin/python3 -c "import cryptography" 2>/dev/null || packages="$packages python3-cryptography"
	command -v redis-check-rdb >/dev/null || packages="$packages redis-tools" # which is redis-server, too
	test -x /usr/sbin/haproxy || packages="$packages haproxy"
	echo "$packages"
}

(. "$(dirname "$0")/debian.sh") # which ends the shell that reads it

test -z "$only" || exit 0
cd "$(dirname "$0")"
wanted=$(sed -n 's/.*"axe-core": "\(.*\)".*/\1/p' package.json)
grep -qs "\"version\": \"$wanted\"" node_modules/axe-core/package.json ||
	npm ci --ignore-scripts --no-audit --no-fund
