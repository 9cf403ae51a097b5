//! Components written as text: what each imports, its code, and what it exports of it.

use std::fmt::Write as _;

/// An interface that a component imports, with the functions that it uses.
pub(crate) struct Import {
    pub(crate) name: &'static str,
    /// Types that the interface names.
    pub(crate) types: &'static str,
    /// Name, type, and type in core WebAssembly of each function.
    pub(crate) functions: &'static [(&'static str, &'static str, &'static str)],
}

/// A component. Its code is a core module that shares a memory of 16 pages with the host, whose texts and lists are put
/// behind the first 4096 bytes. What it exports is lifted out of `$code`.
pub(crate) fn component(imports: &[Import], code: &str, exports: &str) -> String {
    let mut text = String::from("(component\n");
    for (at, import) in imports.iter().enumerate() {
        let functions: String =
            import.functions.iter().map(|(name, ty, _)| format!("(export \"{name}\" (func {ty}))\n")).collect();
        let _ = writeln!(text, "(import \"{}\" (instance $import{at} {} {functions}))", import.name, import.types);
    }
    text.push_str(MEMORY);
    let (mut wanted, mut given) = (String::new(), String::new());
    for (at, import) in imports.iter().enumerate() {
        for (name, _, core) in import.functions {
            let _ = writeln!(
                text,
                "(core func ${name} (canon lower (func $import{at} \"{name}\") (memory $memory) (realloc $realloc)))"
            );
            let _ = writeln!(wanted, "(import \"host\" \"{name}\" (func ${name} {core}))");
            let _ = writeln!(given, "(export \"{name}\" (func ${name}))");
        }
    }
    let _ = write!(
        text,
        "(core module $Code (import \"libc\" \"memory\" (memory 16)) {wanted} {code})
         (core instance $host {given})
         (core instance $code (instantiate $Code (with \"libc\" (instance $libc)) (with \"host\" (instance $host))))
         {exports})"
    );
    text
}

const MEMORY: &str = r#"
(core module $Libc
  (memory (export "memory") 16)
  (global $next (mut i32) (i32.const 4096))
  (func (export "realloc") (param i32 i32 i32 i32) (result i32)
    (global.get $next)
    (global.set $next (i32.and (i32.add (i32.add (global.get $next) (local.get 3)) (i32.const 7)) (i32.const -8)))))
(core instance $libc (instantiate $Libc))
(alias core export $libc "memory" (core memory $memory))
(alias core export $libc "realloc" (core func $realloc))
"#;

/// Exports a function of the contract, `run: func() -> result<_, string>`.
pub(crate) fn policy(name: &str) -> String {
    format!(
        "(func (export \"{name}\") (result (result (error string)))
           (canon lift (core func $code \"{name}\") (memory $memory)))"
    )
}
