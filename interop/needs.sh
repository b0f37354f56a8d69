#!/bin/sh
# Installs what `make test` needs beside git, make and the Rust toolchain: a C compiler for the bundled
# libraries, plain clients, and what makes, mounts and watches file systems. As root or with sudo that asks nothing; otherwise it names what is missing.
# A mail server is never installed: those that are talked to are unpacked below target/peers.
set -eu

# Programs of administrators are not on every user's path.
PATH=$PATH:/usr/sbin:/sbin
missing=
need() { # need PROGRAM PACKAGE
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need cc build-essential
need /usr/bin/python3 python3
need curl curl
need openssl openssl
need mpop mpop
need fetchmail fetchmail
need swaks swaks
need strace strace
need valgrind valgrind
need mount mount
need mkfs.ext4 e2fsprogs
need mkfs.xfs xfsprogs
need prlimit util-linux
need /usr/bin/time time
need getmail getmail6
need dbus-run-session dbus-daemon
need gnome-keyring-daemon gnome-keyring
need mutt mutt
need ruby ruby
need node nodejs
need npm npm
need javac default-jdk-headless
[ -e /usr/share/java/jakarta-mail.jar ] || missing="$missing libjakarta-mail-java"
perl -MIO::Socket::SSL -e1 2>/dev/null || missing="$missing libio-socket-ssl-perl"
perl -MDigest::HMAC_MD5 -e1 2>/dev/null || missing="$missing libdigest-hmac-perl"
perl -MAuthen::SASL -e1 2>/dev/null || missing="$missing libauthen-sasl-perl"
[ -z "$missing" ] && exit 0

install="apt-get -q -y --no-install-recommends install$missing"
if ! command -v apt-get >/dev/null 2>&1; then
    echo "make test: this is not Debian; install the equivalents of:$missing" >&2
elif [ "$(id -u)" = 0 ]; then
    apt-get -q update && DEBIAN_FRONTEND=noninteractive $install
elif sudo -n true 2>/dev/null; then
    sudo -n apt-get -q update && sudo -n env DEBIAN_FRONTEND=noninteractive $install
else
    echo "make test: no right to install; checks that need these are skipped:$missing" >&2
    echo "make test: to run them: sudo apt-get update && sudo $install" >&2
fi
