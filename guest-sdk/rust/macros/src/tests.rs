//! What the attributes make of modules, and what they say of wrong ones.

use crate::kind::Kind;
use crate::module::Policy;
use crate::{docs, emit, wit};
use wit_parser::{Resolve, WorldItem};

/// Reads a module as a detector's.
fn read(module: &str) -> syn::Result<Policy> {
    Policy::read(Kind::Detector, Default::default(), module.parse().unwrap())
}

/// What is said of a wrong module, and where: line and column, both as an editor counts.
fn complaint(module: &str) -> (String, (usize, usize)) {
    let Err(error) = read(module) else { panic!("nothing was wrong with {module}") };
    let start = error.span().start();
    (error.to_string(), (start.line, start.column + 1))
}

/// The parameters of `configure` as the contract's own parser sees them.
fn parameters(policy: &Policy) -> Vec<String> {
    let mut resolve = Resolve::default();
    let text = wit::world(policy).unwrap();
    let package = resolve.push_str("policy.wit", &text).unwrap_or_else(|error| panic!("{error:?}\n{text}"));
    let world = resolve.select_world(&[package], Some(wit::WORLD)).unwrap();
    let exports = &resolve.worlds[world].exports;
    let configure = exports.values().find_map(|item| match item {
        WorldItem::Function(function) if function.name == "configure" => Some(function),
        _ => None,
    });
    configure.into_iter().flat_map(|function| &function.params).map(|parameter| parameter.name.clone()).collect()
}

#[test]
fn every_type_has_a_place_in_wit() {
    let policy = read(
        "mod all {
            #[config] enum Mode { Quiet, VeryLoud }
            #[config] enum Rule { Never, Every(u32), Within(Limits) }
            #[config] struct Limits { #[default(0.2)] low: f64, high: Option<f64>, r#type: String }
            struct Config {
                a: bool, b: u8, c: u16, d: u32, e: u64, f: i8, g: i16, h: i32, i: i64, j: f32, k: f64, l: char, m: String,
                an_option: Option<Option<f64>>,
                list: Vec<Limits>,
                map: std::collections::BTreeMap<String, Rule>,
                pairs: Vec<(String, f64)>,
                mode: Mode,
                interface: (u32, f64, String),
            }
            fn detect() {}
        }",
    )
    .unwrap();
    let names = parameters(&policy);
    assert_eq!(names.len(), 19);
    assert!(names.contains(&"an-option".to_owned()) && names.contains(&"interface".to_owned()), "{names:?}");
    let text = wit::world(&policy).unwrap();
    assert!(text.contains("record %config-limits { %low: option<f64>, %high: option<f64>, %type: string }"), "{text}");
    assert!(text.contains("variant %config-rule { %never, %every(u32), %within(%config-limits) }"), "{text}");
    assert!(text.contains("enum %config-mode { %quiet, %very-loud }"), "{text}");
    assert!(text.contains("%map: list<tuple<string, %config-rule>>"), "{text}");
}

#[test]
fn every_kind_has_its_world() {
    for (kind, function) in
        [(Kind::Detector, "detect"), (Kind::Allocator, "allocate"), (Kind::Storage, "store"), (Kind::Runner, "run")]
    {
        let module = format!("mod x {{ fn {function}() {{}} fn may_recycle() -> bool {{ true }} }}");
        let policy = Policy::read(kind, Default::default(), module.parse().unwrap()).unwrap();
        assert!(parameters(&policy).is_empty());
        assert!(wit::world(&policy).unwrap().contains("export may-recycle"));
        syn::parse2::<syn::ItemMod>(emit::policy(&policy)).unwrap();
    }
}

#[test]
fn comments_and_defaults_are_the_help() {
    let policy = Policy::read(
        Kind::Detector,
        quote::quote!(name = "HTTPThing"),
        "/// Finds \"things\".
         ///
         /// And more.
         mod x {
            #[config] enum Mode { Quiet, VeryLoud }
            #[config] struct Limits { #[default(-0.5)] low: f64 }
            struct Config {
                /// One line
                /// and another.
                #[default(Mode::VeryLoud)]
                mode: Mode,
                #[default([(\"a\", 3)])]
                weights: Vec<(String, f64)>,
                #[default(0.95)]
                share: Option<f64>,
                limits: Option<Limits>,
                /// More weights.
                #[file]
                more: Option<Vec<(String, f64)>>,
                bare: u32,
            }
            fn detect() {}
         }"
        .parse()
        .unwrap(),
    )
    .unwrap();
    assert_eq!(
        docs::json(&policy),
        r#"{"name":"HTTPThing","help":"Finds \"things\".","parameters":{"mode":{"help":"One line and another.","default":"very_loud"},"weights":{"default":"{a: 3}"},"share":{"default":"0.95"},"limits.low":{"default":"-0.5"},"more":{"help":"More weights.","file":true}}}"#
    );
}

#[test]
fn the_name_is_the_modules_unless_given() {
    assert_eq!(read("mod busy_task { fn detect() {} }").unwrap().name, "BusyTask");
}

#[test]
fn what_is_wrong_with_a_module_is_said_where_it_is() {
    let cases = [
        ("struct X;", "`#[wca_guest::detector]` stands before a module", (1, 1)),
        ("mod x;", "write the module's content here", (1, 1)),
        ("mod x { }", "a detector has a function `detect`", (1, 5)),
        ("mod x { async fn detect() {} }", "cannot be `async`", (1, 9)),
        ("mod x { fn detect(n: u32) {} }", "`detect` may ask for: `config: &Config`, `state: &State`", (1, 19)),
        ("mod x { fn detect(c: &Config) {} }", "this module has no `struct Config`", (1, 19)),
        ("mod x { fn detect(s: &mut State) {} }", "this module has no type `State`", (1, 19)),
        ("mod x { fn detect() {} fn validate() -> Result<(), String> { Ok(()) } }", "nothing to validate", (1, 27)),
        ("mod x { enum Config {} fn detect() {} }", "`Config` is a struct", (1, 14)),
        ("mod x { #[config] struct A { #[file] b: u32 } fn detect() {} }", "before a field of `Config`", (1, 38)),
    ];
    for (module, text, place) in cases {
        let (said, at) = complaint(module);
        assert!(said.contains(text), "{module}: {said}");
        assert_eq!(at, place, "{module}: {said}");
    }
}

#[test]
fn what_is_wrong_with_a_configuration_is_said_where_it_is() {
    // The field, what is said, and the token that it is said of.
    let cases = [
        ("a: std::time::Duration", "`std::time::Duration` cannot be written in YAML", "std"),
        ("a: usize", "write `u32` or `u64`", "usize"),
        ("a: &'static str", "cannot be written in YAML", "&"),
        ("a: Vec<Limits>", "`Limits` cannot be written in YAML", "Limits"),
        ("a: std::collections::HashMap<u32, f64>", "the keys of a map are `String`", "u32"),
        ("p_99: f64", "`p_99` cannot cross to YAML", "p_99"),
        ("größe: f64", "cannot cross to YAML", "größe"),
        ("#[default(1)] a: Option<Option<u32>>", "tells an absent key from `null`", "1"),
        ("#[default(0.5)] a: Option<u32>", "the default `0.5` is no whole number", "0.5"),
        ("#[default(\"x\")] a: u32", "the default `\"x\"` is no whole number", "\"x\""),
        ("#[default(0.5)] a: u32", "the default `0.5` is no whole number", "0.5"),
        ("#[default] a: u32", "`#[default(…)]` takes one value", "#"),
        ("#[default(now())] a: u32", "a default is a literal", "now"),
    ];
    for (field, text, token) in cases {
        let module = format!("mod x {{ struct Config {{ {field} }} fn detect() {{}} }}");
        let (said, at) = complaint(&module);
        assert!(said.contains(text), "{field}: {said}");
        assert_eq!(at, (1, module.find(token).unwrap() + 1), "{field}: {said}");
    }
}

#[test]
fn what_is_wrong_with_a_type_is_said_where_it_is() {
    let cases = [
        ("#[config] struct A(u32);", "fields need names"),
        ("#[config] struct A<T> { a: T }", "has no parameters"),
        ("#[config] enum A { B { c: u32 } }", "a case carries nothing or one value"),
        ("#[config] enum A {}", "an enum without cases"),
        ("#[config] struct A { a: Vec<B> } #[config] struct B { b: Option<A> }", "`A` contains itself"),
    ];
    for (types, text) in cases {
        let (said, _) = complaint(&format!("mod x {{ {types} fn detect() {{}} }}"));
        assert!(said.contains(text), "{types}: {said}");
    }
}

#[test]
fn a_name_becomes_a_tag_and_nothing_else_is_asked() {
    let read = |attribute: &str| {
        Policy::read(Kind::Detector, attribute.parse().unwrap(), "mod x { fn detect() {} }".parse().unwrap())
    };
    assert_eq!(read("name = \"X1\"").unwrap().name, "X1");
    for (attribute, text) in
        [("name = \"a b\"", "the name becomes a YAML tag"), ("nam = \"a\"", "only `name"), ("name", "expected `=`")]
    {
        let said = read(attribute).err().unwrap().to_string();
        assert!(said.contains(text), "{attribute}: {said}");
    }
}
