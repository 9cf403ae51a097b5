//! What is refused when code is loaded or linked.

use rstest::rstest;
use wca_sandbox::{Component, compile};

use crate::host::{Host, component, sandbox};
use crate::text::{self, policy};

/// A detector that does nothing and imports this.
fn importing(imports: &str) -> String {
    let detector = text::component(&[], r#"(func (export "detect") (result i32) (i32.const 0))"#, &policy("detect"));
    detector.replacen("(component\n", &format!("(component\n{imports}"), 1)
}

#[test]
fn code_in_another_form_is_refused_with_a_way_out() {
    let code = compile::compile(&wat::parse_str(importing("")).unwrap(), false).unwrap();
    let length = usize::try_from(u64::from_le_bytes(code[8..16].try_into().unwrap())).unwrap();
    let (head, rest) = code.split_at(16);
    let (description, machine_code) = rest.split_at(length);
    // As many bytes, so that the length before them stays true.
    let other = vec![b' '; description.len()];
    let cases: [(&str, Vec<u8>); 4] = [
        ("nothing", vec![]),
        ("another magic", [b"wca-kode", &code[8..]].concat()),
        ("an end too early", code[..12].to_vec()),
        ("another description", [head, &other, machine_code].concat()),
    ];
    let remedy = "`--no-cache` compiles it anew, and where that helps the folder of the cache can be deleted";
    for (what, bytes) in cases {
        let error = Component::load(sandbox(), &bytes).err().map(|error| error.to_string());
        assert_eq!(error, Some(format!("its compiled code is malformed: {remedy}")), "{what}");
    }
    let foreign = [head, description, b"\x7fELF"].concat();
    let error = Component::load(sandbox(), &foreign).err().expect("a refusal").to_string();
    assert!(error.starts_with("its compiled code does not fit this engine ("), "{error}");
    assert!(error.ends_with(&format!("): {remedy}")), "{error}");
}

const HTTP: &str = "it imports wasi:http/types@0.2.4, for which it needs a grant: name the origins that it may send \
                    requests to with `--allow-http ORIGIN`, such as `--allow-http http://127.0.0.1:8000`";
const UNKNOWN: &str = "it imports wasi:nn/tensor@0.2.0, which nothing here provides";
const WEATHER: &str = "it cannot be linked: component imports instance `wca:policy/now@0.1.9`, but a matching \
                       implementation was not found in the linker: instance export `weather` has the wrong type: \
                       function implementation is missing; it needs wca:policy 0.1.9, this agent has 0.1.0";

#[rstest]
#[case::nothing("", &[])]
#[case::what_it_gets(r#"(import "wca:policy/now@0.1.0" (instance (export "tick" (func (result u64)))))"#, &[])]
#[case::grant(r#"(import "wasi:http/types@0.2.4" (instance))"#, &[HTTP])]
#[case::unknown(r#"(import "wasi:nn/tensor@0.2.0" (instance))"#, &[UNKNOWN])]
#[case::several(
    r#"(import "wasi:http/types@0.2.4" (instance)) (import "wasi:nn/tensor@0.2.0" (instance))"#,
    &[HTTP, UNKNOWN]
)]
#[case::function(
    r#"(import "wca:policy/now@0.1.9" (instance (export "weather" (func (result f64)))))"#,
    &[WEATHER]
)]
#[case::grant_and_function(
    r#"(import "wasi:http/types@0.2.4" (instance))
       (import "wca:policy/now@0.1.9" (instance (export "weather" (func (result f64)))))"#,
    &[HTTP, WEATHER]
)]
fn what_would_be_refused_is_known_before(#[case] imports: &str, #[case] expected: &[&str]) {
    let component = component(&importing(imports));
    assert_eq!(component.refusals(sandbox()), expected);
    assert_eq!(Host::default().policy(&component, "").is_err(), !expected.is_empty());
}
