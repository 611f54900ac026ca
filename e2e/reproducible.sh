#!/bin/sh
# Builds the Caddy of the repository's last commit in two folders, and compares.
set -eu
cd "$(dirname "$0")/.."

folders=$(mktemp -d)
trap 'rm -rf "$folders"' EXIT
for place in here some/where/else; do
	mkdir -p "$folders/$place"
	git archive HEAD | tar -x -C "$folders/$place"
	make -s -C "$folders/$place" build >"$folders/told" 2>&1 || {
		cat "$folders/told"
		exit 1
	}
done
sha256sum "$folders/here/caddy" "$folders/some/where/else/caddy" | sed "s#$folders/##"
cmp "$folders/here/caddy" "$folders/some/where/else/caddy"
echo "the same binary from two folders"
