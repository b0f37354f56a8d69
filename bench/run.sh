#!/bin/sh
# Measures Restante on this machine: a throw-away server on loopback, filled with generated mail,
# loaded by `restante bench`. Prints one outcome a workload, and a page of them if a file is named for
# it. Ends by itself; leaves nothing else behind.
#
# Usage: bench/run.sh [SECONDS [PAGE.html]]     how long each workload runs; default 5
set -eu

seconds=${1:-5}
page=${2:-}
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
[[listener]]
protocol = "lmtp"
address = "127.0.0.1:11102"
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
echo redqueen >"$work/password"
accounts() { seq -f "$1%g" "$2"; }
for kind in empty,8 poll,8 small,8 typical,16 large,2 drain,4 huge,1 lmtp,8 idle,1000; do
    accounts "${kind%,*}" "${kind#*,}" >"$work/users.${kind%,*}"
done
cat "$work"/users.* | sed 's/$/:{PLAIN}redqueen/' >"$work/accounts"
run user import "$work/accounts" >/dev/null

# KIND MESSAGES SIZE [MEAN]: mail for each of its accounts.
fill() {
    while read -r user; do
        "$restante" bench corpus "$work/mail" --format eml --name "$user" --messages "$2" --size "$3" \
            ${4:+--mean "$4"} >/dev/null
        run maildrop import --no-quota --unique-ids new "$user" "$work/mail" >/dev/null 2>&1
        rm -r "$work/mail"
    done <"$work/users.$1"
}
fill poll 200 4KiB
fill small 1000 4KiB
fill typical 200 20KiB 75KiB
fill large 20 10MiB
fill drain 1000 4KiB
fill huge 100000 1KiB

"$restante" -c "$work/restante.toml" serve >"$work/log" 2>&1 &
server=$!
for _ in $(seq 100); do
    # Gone: its log says why. Checked first, since another program may answer in its place.
    kill -0 "$server" 2>/dev/null || exit 1
    grep -q 'listening.*11102' "$work/log" && break
    sleep 0.1
done

# CASE WORKLOAD KIND OPTION…
measure() {
    case=$1 workload=$2 kind=$3
    shift 3
    "$restante" bench "$workload" --case "$case" --users-file "$work/users.$kind" --label restante \
        --pid "$server" --seconds "$seconds" --record "$work/outcomes" "$@"
}
logged_in() { measure "$@" --password-file "$work/password"; }
plain="--server 127.0.0.1:11100"
tls="--server 127.0.0.1:11101 --tls $work/certificate.pem"

"$restante" --version
# shellcheck disable=SC2086 # options are words
{
    logged_in idle idle idle $plain --connections 1000 --sources 20
    logged_in idle-tls idle idle $tls --connections 1000 --sources 20
    logged_in poll-one poll poll $plain --connections 1
    logged_in poll-empty poll empty $plain --connections 8
    logged_in poll poll poll $plain --connections 8
    logged_in poll-at-1000 poll poll $plain --rate 1000
    logged_in poll-tls poll poll $tls --connections 8
    logged_in poll-tls-resumed poll poll $tls --connections 8 --resume
    logged_in retr-small retrieve small $plain --connections 8
    logged_in retr-small-pipe retrieve small $plain --connections 8 --window 32
    logged_in retr-typical retrieve typical $plain --connections 16
    logged_in retr-typical-tls retrieve typical $tls --connections 16
    logged_in retr-large retrieve large $plain --connections 2
    logged_in retr-large-tls retrieve large $tls --connections 2
    logged_in list-huge list huge $plain --connections 1
    logged_in drain drain drain $plain --connections 4 --yes
    measure deliver deliver lmtp --server 127.0.0.1:11102 --connections 8
}
[ -z "$page" ] || "$restante" bench report "$work/outcomes" >"$page"
