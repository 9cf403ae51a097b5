//! From the values that cross the border to the types that the author wrote.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;

/// A type that can be made from what the runtime hands to `configure`.
///
/// `#[config]` implements it for an author's own types; lists, options and maps of such types follow.
pub trait FromWit<W> {
    /// Takes the value over.
    fn from_wit(value: W) -> Self;
}

macro_rules! taken_as_they_are {
    ($($plain:ty)*) => {
        $(impl FromWit<$plain> for $plain {
            fn from_wit(value: $plain) -> Self {
                value
            }
        })*
    };
}

taken_as_they_are!(bool u8 u16 u32 u64 i8 i16 i32 i64 f32 f64 char String);

impl<W, T: FromWit<W>> FromWit<Option<W>> for Option<T> {
    fn from_wit(value: Option<W>) -> Self {
        value.map(T::from_wit)
    }
}

impl<W, T: FromWit<W>> FromWit<Vec<W>> for Vec<T> {
    fn from_wit(value: Vec<W>) -> Self {
        value.into_iter().map(T::from_wit).collect()
    }
}

impl<W, T: FromWit<W>> FromWit<Vec<(String, W)>> for BTreeMap<String, T> {
    fn from_wit(value: Vec<(String, W)>) -> Self {
        value.into_iter().map(|(key, value)| (key, T::from_wit(value))).collect()
    }
}

impl<W, T: FromWit<W>, S: BuildHasher + Default> FromWit<Vec<(String, W)>> for HashMap<String, T, S> {
    fn from_wit(value: Vec<(String, W)>) -> Self {
        value.into_iter().map(|(key, value)| (key, T::from_wit(value))).collect()
    }
}

impl<W1, W2, A: FromWit<W1>, B: FromWit<W2>> FromWit<(W1, W2)> for (A, B) {
    fn from_wit((a, b): (W1, W2)) -> Self {
        (A::from_wit(a), B::from_wit(b))
    }
}

impl<W1, W2, W3, A: FromWit<W1>, B: FromWit<W2>, C: FromWit<W3>> FromWit<(W1, W2, W3)> for (A, B, C) {
    fn from_wit((a, b, c): (W1, W2, W3)) -> Self {
        (A::from_wit(a), B::from_wit(b), C::from_wit(c))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_pairs_becomes_a_map_or_stays_one() {
        let pairs = vec![("a".to_owned(), 1.0), ("b".to_owned(), 2.0)];
        let list: Vec<(String, f64)> = FromWit::from_wit(pairs.clone());
        assert_eq!(list, pairs);
        let map: BTreeMap<String, f64> = FromWit::from_wit(pairs);
        assert_eq!(map["b"], 2.0);
    }

    #[test]
    fn an_option_of_an_option_keeps_both() {
        let null: Option<Option<f64>> = FromWit::from_wit(Some(None::<f64>));
        assert_eq!(null, Some(None));
    }
}
