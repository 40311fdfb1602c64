#!/bin/sh
# tests/packages.sh PACKAGE...: sees to it that these Debian packages are installed. Installs what is missing where that
# needs no question (root, or sudo without a password); otherwise prints the one command to type, and fails.
missing=
for p; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $p"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ]; then
    as=
elif sudo -n true 2>/dev/null; then
    as="sudo -n"
else
    echo "these packages are missing; type:  sudo apt-get install$missing" >&2
    exit 1
fi
echo "installing$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Another apt at work (under make -j, our own) is waited for, 10 minutes at most: apt waits for some of its locks, not for all.
tries=300
until { $as apt-get update && $as env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; do
    tries=$((tries - 1))
    if [ $tries = 0 ] || ! grep -q 'Could not get lock' "$log"; then
        tail -n 5 "$log" >&2
        echo "could not install them; type:  sudo apt-get install$missing" >&2
        exit 1
    fi
    sleep 2
done
