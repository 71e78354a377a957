#!/bin/sh
# Installs the Debian 12 packages that azr needs, when one is missing.
# usage: tools/install_packages.sh build|check
#   build: compiler, libraries, cmocka, and what tools/fetch_model.sh needs
#   check: those, and the tools of `make check`
set -eu

packages="gcc libc6-dev make pkg-config libdnnl-dev libjansson-dev libyaml-dev libpcre2-dev
libutf8proc-dev libsqlite3-dev zlib1g-dev libseccomp-dev libpython3-dev libcmocka-dev
python3 python3-pip ca-certificates"
case "${1:-}" in
build) ;;
check) packages="$packages clang clang-format clang-tidy libomp-dev pmccabe" ;;
*)
    echo "usage: tools/install_packages.sh build|check" >&2
    exit 1
    ;;
esac

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "This is no Debian: azr needs what these packages hold:" $packages
    exit 0
fi

missing=
for package in $packages; do
    state=$(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null || true)
    case "$state" in
    ii*) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

sudo=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "azr needs these packages; install them as root:$missing" >&2
        exit 1
    fi
    sudo=sudo
fi
echo "Installing:$missing"
$sudo apt-get -qq update
$sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing \
    >/dev/null
