#!/usr/bin/env bash
# Builds c.wasm. Needs cargo, wit-bindgen 0.60.0 and zig 0.17.1, called as `python3 -m ziglang` or what ZIG says: `../get-tools c`
# gets both.
set -euo pipefail
cd "$(dirname "$0")"
rm -rf build
wit-bindgen c wit --world threshold --out-dir build
# Without a smaller one, 16 MiB of stack are reserved.
${ZIG:-python3 -m ziglang} cc -target wasm32-wasi -Os -mexec-model=reactor -I build detector.c build/threshold.c \
  build/threshold_component_type.o -o build/made.wasm -Wl,--strip-all -Wl,-z,stack-size=65536
cargo run --quiet --release --locked --bin wca-guest-build -- finish . build/made.wasm
