//! Refuses every configuration with what it got of it, so that a test sees what reaches a guest.

use std::fmt::Write as _;

wit_bindgen::generate!({ path: "wit", generate_all });

struct EveryType;

/// The parameters that were given, each on its side of a semicolon.
macro_rules! given {
    ($($parameter:ident),* $(,)?) => {{
        let mut text = String::new();
        $(
            if let Some(value) = $parameter {
                // Writing to a text cannot fail.
                let _ = write!(text, concat!("; ", stringify!($parameter), " = {:?}"), value);
            }
        )*
        text.trim_start_matches("; ").to_owned()
    }};
}

impl Guest for EveryType {
    fn configure(
        a_bool: Option<bool>,
        an_s8: Option<i8>,
        a_u8: Option<u8>,
        an_s16: Option<i16>,
        a_u16: Option<u16>,
        an_s32: Option<i32>,
        a_u32: Option<u32>,
        an_s64: Option<i64>,
        a_u64: Option<u64>,
        an_f32: Option<f32>,
        an_f64: Option<f64>,
        a_char: Option<char>,
        a_string: Option<String>,
        a_list: Option<Vec<u8>>,
        lists: Option<Vec<Vec<String>>>,
        mapping: Option<Vec<(String, f64)>>,
        mapping_of_records: Option<Vec<(String, Span)>>,
        a_record: Option<Span>,
        nested: Option<Job>,
        records: Option<Vec<Span>>,
        a_tuple: Option<(String, u8, bool)>,
        pairs: Option<Vec<(u8, String)>>,
        an_enum: Option<Level>,
        a_variant: Option<Quantity>,
        some_flags: Option<Rights>,
        twice: Option<Option<u32>>,
        text_twice: Option<Option<String>>,
    ) -> Result<(), String> {
        Err(given!(
            a_bool, an_s8, a_u8, an_s16, a_u16, an_s32, a_u32, an_s64, a_u64, an_f32, an_f64, a_char, a_string, a_list,
            lists, mapping, mapping_of_records, a_record, nested, records, a_tuple, pairs, an_enum, a_variant,
            some_flags, twice, text_twice,
        ))
    }

    fn detect() -> Result<(), String> {
        Ok(())
    }
}

export!(EveryType);
