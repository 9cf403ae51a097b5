//! From what the operator wrote to what a guest gets: every type that a configuration can express.

use std::sync::OnceLock;

use rstest::rstest;
use wca_sandbox::{Component, Failure};

use crate::host::{Host, guest, runtime};

fn every_type() -> &'static Component {
    static COMPONENT: OnceLock<Component> = OnceLock::new();
    COMPONENT.get_or_init(|| guest("every-type"))
}

/// What the guest got, as it says it; or what the operator is told.
fn configured(yaml: &str) -> Result<String, String> {
    let mut policy = Host::default().policy(every_type(), yaml).map_err(|error| error.to_string())?;
    match runtime().block_on(policy.start()) {
        Err(Failure::Said(got)) => Ok(got),
        other => panic!("{yaml}: {other:?}"),
    }
}

#[rstest]
#[case::nothing("", "")]
#[case::nothing_in_a_mapping("{}", "")]
#[case("a_bool: true", "a_bool = true")]
#[case("a_bool: False", "a_bool = false")]
#[case("{an_s8: -128, a_u8: 255}", "an_s8 = -128; a_u8 = 255")]
#[case("{an_s8: 127, a_u8: 0x1f}", "an_s8 = 127; a_u8 = 31")]
#[case("{an_s16: -32768, a_u16: 65535}", "an_s16 = -32768; a_u16 = 65535")]
#[case("{an_s32: -2147483648, a_u32: 4294967295}", "an_s32 = -2147483648; a_u32 = 4294967295")]
#[case(
    "{an_s64: -9223372036854775808, a_u64: 18446744073709551615}",
    "an_s64 = -9223372036854775808; a_u64 = 18446744073709551615"
)]
#[case("{an_f32: 0.1, an_f64: 0.1}", "an_f32 = 0.1; an_f64 = 0.1")]
#[case("{an_f32: 1e40, an_f64: -.inf}", "an_f32 = inf; an_f64 = -inf")]
#[case("{an_f32: .nan, an_f64: 3}", "an_f32 = NaN; an_f64 = 3.0")]
#[case("a_char: ä", "a_char = 'ä'")]
#[case("a_char: 5", "a_char = '5'")]
#[case("a_char: \"\\n\"", "a_char = '\\n'")]
#[case("a_string: two words", "a_string = \"two words\"")]
#[case("a_string: \"5\"", "a_string = \"5\"")]
#[case("a_string: ''", "a_string = \"\"")]
#[case("a_string: 'null'", "a_string = \"null\"")]
#[case("a_list: [1, 2, 3]", "a_list = [1, 2, 3]")]
#[case("a_list: []", "a_list = []")]
#[case("lists: [[a, b], [], [c]]", "lists = [[\"a\", \"b\"], [], [\"c\"]]")]
#[case("mapping: {b: 2, a-c: 0.5}", "mapping = [(\"b\", 2.0), (\"a-c\", 0.5)]")]
#[case("mapping: {}", "mapping = []")]
#[case("mapping: {5: 1}", "mapping = [(\"5\", 1.0)]")]
#[case("mapping_of_records: {db: {low: 1}}", "mapping_of_records = [(\"db\", Span { low: 1, high: None })]")]
#[case("a_record: {high: 0.5, low: 1}", "a_record = Span { low: 1, high: Some(0.5) }")]
#[case("a_record: {low: 1, high: null}", "a_record = Span { low: 1, high: None }")]
#[case(
    "nested: {job_name: db, span: {low: 7}}",
    "nested = Job { job-name: \"db\", span: Span { low: 7, high: None } }"
)]
#[case("records: [{low: 1}, {low: 2}]", "records = [Span { low: 1, high: None }, Span { low: 2, high: None }]")]
#[case("a_tuple: [x, 5, true]", "a_tuple = (\"x\", 5, true)")]
#[case("pairs: [[1, a], [2, b]]", "pairs = [(1, \"a\"), (2, \"b\")]")]
#[case("an_enum: low", "an_enum = Level::Low")]
#[case::either_dash("an-enum: very_high", "an_enum = Level::VeryHigh")]
#[case("an_enum: very-high", "an_enum = Level::VeryHigh")]
#[case::case_without_value("a_variant: all", "a_variant = Quantity::All")]
#[case::first_that_fits("a_variant: 5", "a_variant = Quantity::Count(5)")]
#[case::next_that_fits("a_variant: -5", "a_variant = Quantity::Share(-5.0)")]
#[case("a_variant: 0.5", "a_variant = Quantity::Share(0.5)")]
#[case("a_variant: true", "a_variant = Quantity::Exact(true)")]
#[case("a_variant: ten", "a_variant = Quantity::Word(\"ten\")")]
#[case::by_its_name("a_variant: {other: 5}", "a_variant = Quantity::Other(5.0)")]
#[case("a_variant: {word: all}", "a_variant = Quantity::Word(\"all\")")]
#[case("some_flags: [write_all, read]", "some_flags = Rights { bits: 3 }")]
#[case("some_flags: []", "some_flags = Rights { bits: 0 }")]
#[case("twice: 5", "twice = Some(5)")]
#[case::null_of_two_options("twice: null", "twice = None")]
#[case::null_of_one_option("a_u8: null", "")]
#[case("text_twice: null", "text_twice = None")]
fn what_fits_reaches_the_guest(#[case] yaml: &str, #[case] got: &str) {
    assert_eq!(configured(yaml), Ok(got.to_owned()));
}

#[rstest]
#[case("5", "p.yaml:1:1: P: a mapping with its parameters expected, found the integer 5")]
#[case("[1]", "p.yaml:1:1: P: a mapping with its parameters expected, found a list of 1")]
#[case("a_bool: yes", "p.yaml:1:9: P.a_bool: bool expected, found the text \"yes\"")]
#[case("a_bool: 1", "p.yaml:1:9: P.a_bool: bool expected, found the integer 1")]
#[case("an_s8: 128", "p.yaml:1:8: P.an_s8: s8 from -128 to 127 expected, found the integer 128")]
#[case("a_u8: -1", "p.yaml:1:7: P.a_u8: u8 from 0 to 255 expected, found the integer -1")]
#[case("an_s16: 32768", "p.yaml:1:9: P.an_s16: s16 from -32768 to 32767 expected, found the integer 32768")]
#[case("a_u16: 0x10000", "p.yaml:1:8: P.a_u16: u16 from 0 to 65535 expected, found the integer 0x10000")]
#[case(
    "an_s32: -2147483649",
    "p.yaml:1:9: P.an_s32: s32 from -2147483648 to 2147483647 expected, found the integer -2147483649"
)]
#[case("a_u32: 4294967296", "p.yaml:1:8: P.a_u32: u32 from 0 to 4294967295 expected, found the integer 4294967296")]
#[case(
    "an_s64: 9223372036854775808",
    "p.yaml:1:9: P.an_s64: s64 from -9223372036854775808 to 9223372036854775807 expected, found the integer \
     9223372036854775808"
)]
#[case(
    "a_u64: 18446744073709551616",
    "p.yaml:1:8: P.a_u64: u64 from 0 to 18446744073709551615 expected, found the integer 18446744073709551616"
)]
#[case("a_u64: 1.0", "p.yaml:1:8: P.a_u64: u64 expected, found the number 1.0")]
#[case("a_u64: '1'", "p.yaml:1:8: P.a_u64: u64 expected, found the text \"1\"")]
#[case("a_u64: [1]", "p.yaml:1:8: P.a_u64: u64 expected, found a list of 1")]
#[case("an_f64: '0.5'", "p.yaml:1:9: P.an_f64: f64 expected, found the text \"0.5\"")]
#[case("an_f32: nan", "p.yaml:1:9: P.an_f32: f32 expected, found the text \"nan\"")]
#[case("a_char: xy", "p.yaml:1:9: P.a_char: char expected, found the text \"xy\"")]
#[case("a_char: ''", "p.yaml:1:9: P.a_char: char expected, found the text \"\"")]
#[case("a_string: 5", "p.yaml:1:11: P.a_string: string expected, found the integer 5; quote it to make it a text")]
#[case(
    "a_string: false",
    "p.yaml:1:11: P.a_string: string expected, found the boolean false; quote it to make it a text"
)]
#[case("a_string: [a]", "p.yaml:1:11: P.a_string: string expected, found a list of 1")]
#[case("a_list: 5", "p.yaml:1:9: P.a_list: [u8] expected, found the integer 5")]
#[case("a_list: [1, 256]", "p.yaml:1:13: P.a_list[1]: u8 from 0 to 255 expected, found the integer 256")]
#[case(
    "lists:\n- [a]\n- [b, true]",
    "p.yaml:3:7: P.lists[1][1]: string expected, found the boolean true; quote it to make it a text"
)]
#[case("mapping: [[a, 1]]", "p.yaml:1:10: P.mapping: {string: f64} expected, found a list of 1")]
#[case("mapping: {a: x}", "p.yaml:1:14: P.mapping.a: f64 expected, found the text \"x\"")]
#[case(
    "mapping_of_records: {db: 5}",
    "p.yaml:1:26: P.mapping_of_records.db: {low: u32, high: f64?} expected, found the integer 5"
)]
#[case("a_record: [1]", "p.yaml:1:11: P.a_record: {low: u32, high: f64?} expected, found a list of 1")]
#[case("a_record: {high: 1}", "p.yaml:1:11: P.a_record.low: missing (u32)")]
#[case("a_record: {low: 1, hgih: 1}", "p.yaml:1:20: P.a_record.hgih: unknown key; known: low, high")]
#[case("nested: {span: {low: 1}}", "p.yaml:1:9: P.nested.job_name: missing (string)")]
#[case("nested:\n  job-name: db\n  span: {}", "p.yaml:3:9: P.nested.span.low: missing (u32)")]
#[case("nested: {job_name: db}", "p.yaml:1:9: P.nested.span: missing ({low: u32, high: f64?})")]
#[case("nested: {job-name: a, job_name: b}", "p.yaml:1:23: P.nested.job_name: the key stands there twice")]
#[case("a_tuple: [x, 5]", "p.yaml:1:10: P.a_tuple: (string, u8, bool) expected, found a list of 2")]
#[case("a_tuple: {x: 5}", "p.yaml:1:10: P.a_tuple: (string, u8, bool) expected, found a mapping of 1")]
#[case("a_tuple: [x, 5, 1]", "p.yaml:1:17: P.a_tuple[2]: bool expected, found the integer 1")]
#[case(
    "pairs: [[1, 2]]",
    "p.yaml:1:13: P.pairs[0][1]: string expected, found the integer 2; quote it to make it a text"
)]
#[case("an_enum: high", "p.yaml:1:10: P.an_enum: low | very_high expected, found the text \"high\"")]
#[case("an_enum: [low]", "p.yaml:1:10: P.an_enum: low | very_high expected, found a list of 1")]
#[case(
    "a_variant: [1]",
    "p.yaml:1:12: P.a_variant: all | count: u32 | share: f64 | other: f64 | exact: bool | word: string expected, found a \
     list of 1"
)]
#[case(
    "a_variant: {count: -1}",
    "p.yaml:1:20: P.a_variant.count: u32 from 0 to 4294967295 expected, found the integer -1"
)]
#[case(
    "a_variant: {all: 1}",
    "p.yaml:1:12: P.a_variant: all | count: u32 | share: f64 | other: f64 | exact: bool | word: string expected, found a \
     mapping of 1"
)]
#[case("some_flags: read", "p.yaml:1:13: P.some_flags: [read | write_all] expected, found the text \"read\"")]
#[case("some_flags: [run]", "p.yaml:1:14: P.some_flags: [read | write_all] expected, found the text \"run\"")]
#[case("twice: x", "p.yaml:1:8: P.twice: u32 expected, found the text \"x\"")]
fn what_does_not_fit_is_said_where_it_stands(#[case] yaml: &str, #[case] expected: &str) {
    assert_eq!(configured(yaml), Err(expected.to_owned()));
}

#[test]
fn an_unknown_key_is_told_with_the_known_ones() {
    let told = configured("a_bol: true").unwrap_err();
    assert!(told.starts_with("p.yaml:1:1: P.a_bol: unknown key; known: a_bool, an_s8, a_u8, "), "{told}");
    let told = configured("a_bool: true\na-bool: true").unwrap_err();
    assert_eq!(told, "p.yaml:2:1: P.a-bool: the key stands there twice");
}

#[test]
fn a_constructor_is_written_in_words_of_a_configuration() {
    assert_eq!(
        every_type().signature("EveryType"),
        "EveryType(a_bool: bool?, an_s8: s8?, a_u8: u8?, an_s16: s16?, a_u16: u16?, an_s32: s32?, a_u32: u32?, an_s64: \
         s64?, a_u64: u64?, an_f32: f32?, an_f64: f64?, a_char: char?, a_string: string?, a_list: [u8]?, lists: \
         [[string]]?, mapping: {string: f64}?, mapping_of_records: {string: {low: u32, high: f64?}}?, a_record: {low: \
         u32, high: f64?}?, nested: {job_name: string, span: {low: u32, high: f64?}}?, records: [{low: u32, high: \
         f64?}]?, a_tuple: (string, u8, bool)?, pairs: [(u8, string)]?, an_enum: (low | very_high)?, a_variant: (all | \
         count: u32 | share: f64 | other: f64 | exact: bool | word: string)?, some_flags: [read | write_all]?, twice: \
         u32??, text_twice: string??)"
    );
}
