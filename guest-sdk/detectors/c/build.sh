#!/bin/sh
# Builds c.wasm. Needs wit-bindgen (0.60.0: `cargo install --locked wit-bindgen-cli --version 0.60.0 --no-default-features
# --features c`), zig (0.17.1: `pip install ziglang==0.17.1`, then `python3 -m ziglang` or ZIG=zig) and cargo.
set -eu
cd "$(dirname "$0")"
rm -rf build
wit-bindgen c wit --world threshold --out-dir build
# Without a smaller one, 16 MiB of stack are reserved.
${ZIG:-python3 -m ziglang} cc -target wasm32-wasi -Os -mexec-model=reactor -I build detector.c build/threshold.c \
  build/threshold_component_type.o -o build/made.wasm -Wl,--strip-all -Wl,-z,stack-size=65536
cargo run --quiet --release -p wca-guest-build -- finish guest-sdk/detectors/c build/made.wasm
