//! `wca compile`: the process that turns one component into machine code.

use std::io::Write;
use std::process::ExitCode;

use wca_agent::confine::confine_compiler;
use wca_sandbox::compile::compile_stream;

/// Most bytes of a component; the warden's own limit is smaller.
const MOST: u64 = 1 << 31;

/// Reads a component from standard input and writes its machine code to standard output.
pub(crate) fn main() -> ExitCode {
    let done = confine_compiler().map_err(|error| error.to_string()).and_then(|_| {
        compile_stream(std::io::stdin().lock(), std::io::stdout().lock(), MOST).map_err(|error| error.to_string())
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // The warden reads it from there.
            let _ = write!(std::io::stderr(), "{why}");
            ExitCode::FAILURE
        }
    }
}
