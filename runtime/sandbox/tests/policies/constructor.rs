//! What `configure` may be: its parameters, what it returns, and what of it is refused at load.

use rstest::rstest;
use wca_sandbox::{Component, LoadError};

use crate::host::{Host, load, runtime};
use crate::text::{component, policy};

/// A detector whose `configure` has this type, and in core WebAssembly this type and code.
fn detector(before: &str, ty: &str, core: &str) -> Result<Component, LoadError> {
    let code = format!(
        r#"(func (export "configure") {core})
           (func (export "detect") (result i32) (i32.const 0))
           (data (i32.const 64) "\01\00\00\00\60\00\00\00\05\00\00\00")
           (data (i32.const 96) "no\nso")"#
    );
    let exports = format!(
        r#"{before} {}
           (func (export "configure") {ty}
             (canon lift (core func $code "configure") (memory $memory) (realloc $realloc)))"#,
        policy("detect")
    );
    load(&wat::parse_str(component(&[], &code, &exports)).unwrap())
}

/// Whether a policy of it starts, or what the operator is told.
fn started(component: &Component, yaml: &str) -> Result<(), String> {
    let mut policy = Host::default().policy(component, yaml).map_err(|error| error.to_string())?;
    runtime().block_on(policy.start()).map_err(|failure| failure.to_string())
}

#[rstest]
#[case("low: 1\nhigh: 2", Ok(()))]
#[case("high: 2", Err("p.yaml:1:1: P.low: missing (u32)"))]
#[case("", Err("p.yaml:1:1: P.low: missing (u32)"))]
#[case("{low: 1, high: 2, middle: 3}", Err("p.yaml:1:19: P.middle: unknown key; known: low, high"))]
#[case("{low: null, high: 2}", Err("p.yaml:1:7: P.low: u32 expected, found null"))]
#[case("{low: 1, high: 1}", Err("it trapped: wasm `unreachable` instruction executed"))]
fn parameters_that_are_wanted(#[case] yaml: &str, #[case] expected: Result<(), &str>) {
    let ordered = "(param $low i32) (param $high i32)
        (if (i32.ge_u (local.get $low) (local.get $high)) (then unreachable))";
    let component = detector("", r#"(param "low" u32) (param "high" u32)"#, ordered).unwrap();
    assert_eq!(started(&component, yaml), expected.map_err(str::to_owned));
}

#[rstest]
#[case::nothing("", "", Ok(()))]
#[case::of_a_success("(result (result (error string)))", "(result i32) (i32.const 128)", Ok(()))]
#[case::of_a_text("(result (result (error string)))", "(result i32) (i32.const 64)", Err("it reported: no\\nso"))]
#[case::of_no_text("(result (result))", "(result i32) (i32.const 1)", Err("it reported: no reason given"))]
#[case::of_a_success_without_text("(result (result))", "(result i32) (i32.const 0)", Ok(()))]
fn what_configure_returns(#[case] ty: &str, #[case] core: &str, #[case] expected: Result<(), &str>) {
    assert_eq!(started(&detector("", ty, core).unwrap(), ""), expected.map_err(str::to_owned));
}

#[rstest]
#[case::none_is_known("x: 1", "p.yaml:1:1: P.x: unknown key; none is known")]
#[case::a_list("[x]", "p.yaml:1:1: P: a mapping with its parameters expected, found a list of 1")]
fn a_constructor_without_parameters(#[case] yaml: &str, #[case] expected: &str) {
    assert_eq!(started(&detector("", "", "").unwrap(), yaml), Err(expected.to_owned()));
}

#[rstest]
#[case("x: 1", "p.yaml:1:1: P.x: unknown key; the component takes none")]
#[case("5", "p.yaml:1:1: P: a mapping with its parameters expected, found the integer 5")]
fn a_component_without_constructor(#[case] yaml: &str, #[case] expected: &str) {
    let code = r#"(func (export "detect") (result i32) (i32.const 0))"#;
    let component = load(&wat::parse_str(component(&[], code, &policy("detect"))).unwrap()).unwrap();
    assert_eq!(component.signature("P"), "P()");
    assert_eq!(started(&component, ""), Ok(()));
    assert_eq!(started(&component, yaml), Err(expected.to_owned()));
}

const RESULT: &str = "its `configure` must return nothing or `result<_, string>`";

#[rstest]
#[case::a_result(
    "",
    "(param \"x\" (result u32 (error string)))",
    "(param i32 i32 i32)",
    "its `configure` has the parameter `x` with a result, which no configuration can express and no --limit raises"
)]
#[case::a_resource_in_a_list(
    "(type $r (resource (rep i32))) (export $file \"file\" (type $r))",
    "(param \"x\" (list (own $file)))",
    "(param i32 i32)",
    "its `configure` has the parameter `x` with a resource, which no configuration can express and no --limit raises"
)]
#[case::returns_a_number("", "(result u32)", "(result i32) (i32.const 0)", RESULT)]
#[case::returns_a_value("", "(result (result u32 (error string)))", "(result i32) (i32.const 0)", RESULT)]
#[case::fails_with_a_number("", "(result (result (error u32)))", "(result i32) (i32.const 0)", RESULT)]
fn a_constructor_that_nobody_can_call(
    #[case] before: &str,
    #[case] ty: &str,
    #[case] core: &str,
    #[case] expected: &str,
) {
    let error = detector(before, ty, core).err().expect("a refusal");
    assert_eq!(error.to_string(), expected);
}

#[rstest]
#[case("configure", "its export `configure` is no function")]
#[case("may-recycle", "its export `may-recycle` is no function")]
fn an_export_that_is_no_function(#[case] name: &str, #[case] expected: &str) {
    let code = r#"(func (export "detect") (result i32) (i32.const 0))"#;
    let exports = format!("{} (instance $empty) (export \"{name}\" (instance $empty))", policy("detect"));
    let error = load(&wat::parse_str(component(&[], code, &exports)).unwrap()).err().expect("a refusal");
    assert_eq!(error.to_string(), expected);
}
