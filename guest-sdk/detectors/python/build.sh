#!/bin/sh
# Builds python.wasm. Needs componentize-py (0.25.1: `pip install componentize-py==0.25.1`) and cargo.
set -eu
cd "$(dirname "$0")"
mkdir -p build
# Not with --stub-wasi: under the runtime's own WASI, what Python prints and every traceback become lines of the log.
componentize-py -d wit -w threshold componentize threshold -o build/made.wasm
cargo run --quiet --release -p wca-guest-build -- finish guest-sdk/detectors/python build/made.wasm
