#!/bin/sh
# Builds quickjs.wasm. Needs componentize-qjs (it comes with jco 1.35.0: `npm install @bytecodealliance/jco@1.35.0` in a folder
# whose node_modules/.bin is on PATH) and cargo.
set -eu
cd "$(dirname "$0")"
mkdir -p build
componentize-qjs -w wit -n threshold -j threshold.js --sync --stub-wasi --opt-size -o build/made.wasm
cargo run --quiet --release -p wca-guest-build -- finish guest-sdk/detectors/quickjs build/made.wasm
