//! Compiles the built-in components, with the engine that runs them, for every processor of this architecture.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// Name of each built-in component, what it is used as, and the file that it was built to.
const COMPONENTS: [(&str, &str, &str); 7] = [
    ("NOPAnomalyDetector", "Detector", "components/nop-detector/nop-detector.wasm"),
    ("NOPAllocator", "Allocator", "components/nop-allocator/nop-allocator.wasm"),
    ("NUMAAllocator", "Allocator", "components/numa-allocator/numa-allocator.wasm"),
    ("CPIDetector", "Detector", "components/cpi-detector/cpi-detector.wasm"),
    ("PressureAllocator", "Allocator", "components/pressure-allocator/pressure-allocator.wasm"),
    ("StaticAllocator", "Allocator", "components/static-allocator/static-allocator.wasm"),
    ("BusyTask", "Detector", "guest-examples/busy-task/busy-task.wasm"),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let root = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("../..");
    let mut table = String::from("&[\n");
    for (name, role, path) in COMPONENTS {
        let source = root.join(path);
        println!("cargo::rerun-if-changed={}", source.display());
        let bytes = std::fs::read(&source).map_err(|error| format!("{}: {error}", source.display()))?;
        let code =
            wca_sandbox::compile::compile(&bytes, true).map_err(|error| format!("{}: {error}", source.display()))?;
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        let file = out.join(format!("{name}.code"));
        std::fs::write(&file, code)?;
        let file = file.display().to_string();
        writeln!(
            table,
            "    EmbeddedComponent {{ name: {name:?}, role: Role::{role}, digest: {digest:?}, code: include_bytes!({file:?}) }},"
        )?;
    }
    table.push(']');
    std::fs::write(out.join("embedded.rs"), table)?;
    Ok(())
}
