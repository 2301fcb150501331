#!/usr/bin/env bash
# `make demo-java`: fraud-detection and the core-banking example on free ports of this machine, and a few transactions of
# one card through both. Arguments: the service's binary, and a folder for the logs.
set -euo pipefail

binary=$1
folder=$2
jar=$(echo "$(dirname "$0")"/core-banking-example/target/core-banking-example-*.jar)
mkdir -p "$folder"
processes=()

stop() {
    for process in "${processes[@]}"; do
        kill "$process" 2>/dev/null || true
    done
    wait
}
trap stop EXIT

await() { # LOG SED-EXPRESSION PROCESS: what the expression finds in the log, once it is there
    local found
    for _ in $(seq 600); do
        found=$(sed -n "$2" "$1" | head -n 1)
        if [ -n "$found" ]; then
            echo "$found"
            return
        fi
        kill -0 "$3" 2>/dev/null || break
        sleep 0.1
    done
    echo "demo-java: it did not start; the last words of $1:" >&2
    tail -n 20 "$1" >&2
    return 1
}

ENVIRONMENT=development PORT=0 FRAUD_HTTP__HOST=127.0.0.1 FRAUD_SHUTDOWN__DRAIN_DELAY=0s \
    "$binary" serve >"$folder/fraud-detection.log" &
processes+=($!)
fraud=$(await "$folder/fraud-detection.log" '/"message":"listening"/s/.*"address":"\([^"]*\)".*/\1/p' $!)
await "$folder/fraud-detection.log" '/"message":"ready"/p' $! >/dev/null

ML_SERVICE_URL="http://$fraud" SERVER_PORT=0 SERVER_ADDRESS=127.0.0.1 \
    java -jar "$jar" >"$folder/core-banking.log" &
processes+=($!)
port=$(await "$folder/core-banking.log" 's/.*Tomcat started on port \([0-9]*\).*/\1/p' $!)

echo
echo "fraud-detection on http://$fraud, core banking on http://127.0.0.1:$port: one card, ever larger sums in the night."
for n in 1 2 3 4; do
    body=$(printf '{"transactionId":"demo-%d","customerId":"card-77","amount":%d,"merchant":"Radio Nord %d","merchantCategory":"electronics","location":"Berlin, DE","timestamp":"2026-04-23T02:1%d:30+02:00"}' \
        "$n" $((25 * n * n * n)) "$n" "$n")
    echo
    echo "POST /api/v1/fraud/analyze $body"
    curl --silent --show-error --fail-with-body --max-time 30 "http://127.0.0.1:$port/api/v1/fraud/analyze" \
        -H 'Content-Type: application/json' -H "X-Correlation-Id: demo-$n" -d "$body"
    echo
done

echo
echo "The correlation id is in the fraud service's log too:"
await "$folder/fraud-detection.log" '/"request_id":"demo-1"/p' "${processes[0]}"
