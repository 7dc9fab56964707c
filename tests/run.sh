#!/usr/bin/env bash
# Runs every test. Installs the real peers that the tests need (Debian packages) where they are missing.
set -euo pipefail
cd "$(dirname "$0")/.."

# What the tests call          its package
peers="
cc                             gcc
c++                            g++
cmake                          cmake
sipp                           sip-tester
baresip                        baresip
tshark                         tshark
slapd                          slapd
ldapsearch                     ldap-utils
sox                            sox
kamailio                       kamailio kamailio-tls-modules
linphonec                      linphone-cli
twinkle-console                twinkle-console
sipsak                         sipsak
faketime                       faketime
"

missing=""
while read -r program package; do
  [ -z "$program" ] && continue
  # Daemons lie outside of an ordinary user's PATH.
  PATH="$PATH:/usr/sbin:/sbin" command -v "$program" >/dev/null || missing="$missing $package"
done <<<"$peers"
# Reads the page of metrics as others do.
/usr/bin/python3 -c "import prometheus_client" 2>/dev/null || missing="$missing python3 python3-prometheus-client"

if [ -n "$missing" ]; then
  echo "installing:$missing"
  as_root=""
  [ "$(id -u)" = 0 ] || as_root=sudo
  $as_root apt-get update -q
  # No daemon of a package may start by itself: the tests start their own, on ports of their own.
  $as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -q --no-install-recommends $missing
fi

# The tests with real peers run the program as a user would: the release build, here with Opus, which needs cmake and a
# C compiler.
cargo build --release --locked -p passline --features opus
export PASSLINE_BIN="$PWD/${CARGO_TARGET_DIR:-target}/release/passline"
case "${CARGO_TARGET_DIR:-}" in /*) PASSLINE_BIN="$CARGO_TARGET_DIR/release/passline" ;; esac

cargo test --locked --workspace --features passline/opus,passline-tests/opus,passline-rtp/opus "$@"
