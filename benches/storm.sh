#!/usr/bin/env bash
# How many calls one core bears: server on core 0, callers on core 1, a bare send-and-receive loop beside them.
# RUNS=5 SECONDS=10 LEVELS="100 … 6000" RATE=200 PARTS="curve setups leak neighbour stop soak" SOAK=5m
# KINDS="Own Shared Inband OwnSrtp SharedSrtp BareOwn BareShared"; a full run takes hours.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(nproc)" -lt 2 ]; then
    echo "two cores are needed: one for the server, one for the callers" >&2
    exit 1
fi
cargo build --release --locked -p passline
target="${CARGO_TARGET_DIR:-$PWD/target}"
PASSLINE_BIN="${PASSLINE_BIN:-$target/release/passline}" \
    cargo bench --locked -p passline-benches --bench storm
