#!/usr/bin/env bash
# Builds python.wasm. Needs cargo and componentize-py 0.25.1: `../get-tools python` gets it.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p build
# Not with --stub-wasi: under the runtime's own WASI, what Python prints and every traceback become lines of the log.
componentize-py -d wit -w threshold componentize threshold -o build/made.wasm
cargo run --quiet --release --locked --bin wca-guest-build -- finish . build/made.wasm
