#!/usr/bin/env bash
# `make demo`: serves the shipped model on a free port of this machine, replays transactions of card holders it has
# never seen, and prints how fast and how well it decided. Arguments: the binary, and a folder for what it writes.
#
# The cards are simulated with another seed than the training's. The first weeks only give them a history; the last
# ones are measured, at a steady rate.
set -euo pipefail

binary=$1
folder=$2
cards=240 days=60 measured_from=2025-02-15T00:00:00Z rate=500

mkdir -p "$folder"
"$binary" simulate --seed 2026 --cards "$cards" --days "$days" --start 2025-01-01 --format ndjson \
    --output "$folder/transactions.ndjson"

# On a port that the system chooses; the log says which.
ENVIRONMENT=development PORT=0 FRAUD_HTTP__HOST=127.0.0.1 FRAUD_SHUTDOWN__DRAIN_DELAY=0s \
    "$binary" serve >"$folder/service.log" &
service=$!
trap 'kill "$service" 2>/dev/null || true' EXIT

failed() {
    echo "demo: $1; the service's last words:" >&2
    tail -n 5 "$folder/service.log" >&2
    exit 1
}

address=
for _ in $(seq 100); do
    address=$(sed -n '/"message":"listening"/s/.*"address":"\([^"]*\)".*/\1/p' "$folder/service.log")
    if [ -n "$address" ] && PORT=${address##*:} "$binary" healthcheck 2>/dev/null; then
        break
    fi
    kill -0 "$service" 2>/dev/null || failed "the service did not start"
    sleep 0.1
done
PORT=${address##*:} "$binary" healthcheck || failed "the service did not become healthy"

echo
echo "Replaying $cards simulated card holders against http://$address: history first, then $rate transactions a second."
echo
"$binary" replay "$folder/transactions.ndjson" --url "http://$address" --measure-from "$measured_from" --rate "$rate"

kill -TERM "$service"
trap - EXIT
wait "$service" || failed "the service did not stop in order (exit code $?)"
