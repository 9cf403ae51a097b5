#!/usr/bin/env bash
# Builds quickjs.wasm. Needs cargo and componentize-qjs, which comes with jco 1.35.0: `../get-tools quickjs` gets it.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p build
componentize-qjs -w wit -n threshold -j threshold.js --sync --stub-wasi --opt-size -o build/made.wasm
cargo run --quiet --release --locked --bin wca-guest-build -- finish . build/made.wasm
