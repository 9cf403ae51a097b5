//! The guests: files in a folder of the test, each named as its component is to be called.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::common::repository;

/// Guests of one run.
pub(crate) struct Guests {
    folder: TempDir,
    arguments: Vec<String>,
    /// What the names of the next ones begin with.
    before: String,
}

impl Guests {
    /// None yet but the honest one.
    pub(crate) fn beside_honest() -> Self {
        let mut guests = Self::none();
        guests
            .arguments
            .extend(["--component".into(), repository("tests/guests/honest/honest.wasm").display().to_string()]);
        guests
    }

    pub(crate) fn none() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), arguments: Vec::new(), before: String::new() }
    }

    /// Puts this before all names from now on, so that those of several tests go together.
    pub(crate) fn begin_names_with(&mut self, before: &str) -> &mut Self {
        before.clone_into(&mut self.before);
        self
    }

    /// The file of a guest, whether it is there or not.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{}{name}", self.before)).with_extension("wasm")
    }

    /// The guest of many acts, with the one that it is to do.
    pub(crate) fn that(&mut self, name: &str, does: &str) -> &mut Self {
        self.file(name).set(&format!("{name}.does={does}"))
    }

    /// The guest of many acts, not told what to do.
    pub(crate) fn file(&mut self, name: &str) -> &mut Self {
        let mut wasm = fs::read(repository("tests/guests/hostile/hostile.wasm")).unwrap();
        // A section after its own says that it has no name, so that it goes by that of its file.
        wasm.extend_from_slice(b"\0\x14\x08wca-docs{\"name\":\"\"}");
        self.bytes(name, &wasm)
    }

    /// A parameter on the command line.
    pub(crate) fn set(&mut self, pair: &str) -> &mut Self {
        self.arguments.extend(["--set".into(), format!("{}{pair}", self.before)]);
        self
    }

    /// A component written as text.
    pub(crate) fn text(&mut self, name: &str, text: &str) -> &mut Self {
        let bytes = wat::parse_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        self.bytes(name, &bytes)
    }

    /// Whatever a file may hold.
    pub(crate) fn bytes(&mut self, name: &str, bytes: &[u8]) -> &mut Self {
        fs::write(self.path(name), bytes).unwrap();
        self.arguments.extend(["--component".into(), self.path(name).display().to_string()]);
        self
    }

    /// What the command line says of them, and more.
    pub(crate) fn arguments<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        self.arguments.iter().map(String::as_str).chain(more.iter().copied()).collect()
    }
}

/// A detector whose core module has these declarations, and whose `detect` begins with this code.
pub(crate) fn detector(declarations: &str, detect: &str) -> String {
    importing("", declarations, detect)
}

/// A detector that imports something.
pub(crate) fn importing(imports: &str, declarations: &str, detect: &str) -> String {
    format!(
        r#"(component
          {imports}
          (core module $module
            (memory (export "memory") 1)
            {declarations}
            (func (export "detect") (result i32) {detect} (i32.const 0)))
          (core instance $instance (instantiate $module))
          (alias core export $instance "memory" (core memory $memory))
          (func (export "detect") (result (result (error string)))
            (canon lift (core func $instance "detect") (memory $memory))))"#
    )
}

/// A storage whose `store` is this code.
pub(crate) fn storage(store: &str) -> String {
    format!(
        r#"(component
          (core module $module
            (memory (export "memory") 1)
            (func (export "store") (result i32) {store} (i32.const 0)))
          (core instance $instance (instantiate $module))
          (alias core export $instance "memory" (core memory $memory))
          (type $error (variant (case "unavailable" string) (case "rejected" string)))
          (export $store-error "store-error" (type $error))
          (func (export "store") (result (result (error $store-error)))
            (canon lift (core func $instance "store") (memory $memory))))"#
    )
}

/// A detector whose `configure` takes a value of the last of these types, in core WebAssembly as `lowered`, and whose code is
/// never reached.
pub(crate) fn configured(types: &str, last: &str, lowered: &str) -> String {
    format!(
        r#"(component
          (core module $module
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable)
            (func (export "configure") (param {lowered}) unreachable)
            (func (export "detect") (result i32) unreachable))
          (core instance $instance (instantiate $module))
          (alias core export $instance "memory" (core memory $memory))
          (alias core export $instance "realloc" (core func $realloc))
          {types}
          (func (export "configure") (param "deep" {last})
            (canon lift (core func $instance "configure") (memory $memory) (realloc $realloc)))
          (func (export "detect") (result (result (error string)))
            (canon lift (core func $instance "detect") (memory $memory))))"#
    )
}
