//! A plain `wasi:cli/command`, which serves as a runner.

use rstest::rstest;
use wca_sandbox::World;

use crate::host::{Host, component, runtime};
use crate::text::{self, Import};

const EXIT: Import = Import {
    name: "wasi:cli/exit@0.2.6",
    types: "",
    functions: &[("exit", r#"(param "status" (result))"#, "(param i32)")],
};

#[rstest]
#[case::ends("(i32.const 0)", Ok(()))]
#[case::fails("(i32.const 1)", Err("it reported: it ended with an error"))]
#[case::exits("(call $exit (i32.const 0)) unreachable", Ok(()))]
#[case::exits_with_an_error("(call $exit (i32.const 1)) unreachable", Err("it called exit(1); a policy returns"))]
#[case::traps("unreachable", Err("it trapped: wasm `unreachable` instruction executed"))]
fn a_command_runs_to_its_end(#[case] run: &str, #[case] expected: Result<(), &str>) {
    let exports = r#"
        (func $run (result (result)) (canon lift (core func $code "run")))
        (instance $run (export "run" (func $run)))
        (export "wasi:cli/run@0.2.6" (instance $run))"#;
    let code = format!(r#"(func (export "run") (result i32) {run})"#);
    let command = component(&text::component(&[EXIT], &code, exports));
    assert_eq!(command.world, World::Command);
    let mut policy = Host::default().policy(&command, "").unwrap();
    let ended = runtime().block_on(policy.run(None)).map_err(|failure| failure.to_string());
    assert_eq!(ended, expected.map_err(str::to_owned));
}
