#!/bin/sh
# Measures Restante on this machine: a throw-away server on loopback, filled with generated mail,
# loaded by `restante bench`. Prints one report a workload. Ends by itself; leaves nothing behind.
#
# Usage: bench/run.sh [SECONDS]      how long each workload runs; default 5
set -eu

seconds=${1:-5}
root=$(cd "$(dirname "$0")/.." && pwd)
cargo build --quiet --release --manifest-path "$root/Cargo.toml" --package restante
restante=$root/target/release/restante

work=$(mktemp -d "$root/target/bench.XXXXXX")
server=
finish() {
    [ $? = 0 ] || tail -5 "$work/log" >&2 2>/dev/null || true
    [ -z "$server" ] || kill -9 "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost -addext basicConstraints=CA:FALSE \
    -keyout "$work/key.pem" -out "$work/certificate.pem" 2>/dev/null

# Verifiers for SCRAM cost a fraction of a second an account and are not what is measured.
cat >"$work/restante.toml" <<EOF
hostname = "localhost"
data = "$work/data"
user = "$(id -un)"
[[listener]]
protocol = "pop3"
address = "127.0.0.1:11100"
plaintext_login = "loopback"
[[listener]]
protocol = "pop3s"
address = "127.0.0.1:11101"
[tls]
certificate = "$work/certificate.pem"
key = "$work/key.pem"
[limits]
sessions_per_address_max = 0
[auth]
scram = false
EOF
run() { "$restante" -c "$work/restante.toml" "$@"; }

echo "preparing accounts and mail …" >&2
/usr/bin/python3 "$root/bench/corpus.py" "$work"
run user import "$work/accounts" >/dev/null
run maildrop import small "$work/small" >/dev/null 2>&1
run maildrop import large "$work/large" >/dev/null 2>&1
run maildrop import huge "$work/huge" >/dev/null 2>&1
run maildrop import poll "$work/poll" >/dev/null 2>&1
# shellcheck disable=SC2046 # a list of names
run deliver $(sed 's/:.*//' "$work/accounts" | grep '^idle') <"$work/message"

"$restante" -c "$work/restante.toml" serve >"$work/log" 2>&1 &
server=$!
for _ in $(seq 100); do
    # Gone: its log says why. Checked first, since another program may answer in its place.
    kill -0 "$server" 2>/dev/null || exit 1
    grep -q 'listening.*11101' "$work/log" && break
    sleep 0.1
done

measure() {
    "$restante" bench "$@" --pid "$server" --seconds "$seconds" --password-file "$work/password"
}
plain=127.0.0.1:11100
tls="--server 127.0.0.1:11101 --tls $work/certificate.pem"
all_idle=$(sed -n 's/^\(idle[0-9]*\):.*/--user \1/p' "$work/accounts")

"$restante" --version
uname -srm
grep -m1 'model name' /proc/cpuinfo
# shellcheck disable=SC2086 # options are words
{
    measure idle --server $plain --connections 1000 $all_idle
    measure idle $tls --connections 1000 $all_idle
    measure poll --server $plain --connections 1 --user poll
    measure poll --server $plain --connections 8 $(echo "$all_idle" | head -8)
    measure poll $tls --connections 8 $(echo "$all_idle" | head -8)
    measure retrieve --server $plain --connections 1 --user small
    measure retrieve --server $plain --connections 1 --user small --window 32
    measure retrieve --server $plain --connections 1 --user large
    measure retrieve $tls --connections 1 --user large
    measure list --server $plain --connections 1 --user huge
}
