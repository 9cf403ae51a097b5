//! Where the parts of an event stand among the bits of `perf_event_attr`.

use crate::perf::event::Encoding;
use crate::text::number;

/// A field that a file in `format/` describes: `config:0-7`, `config1:1,6-10,44`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// Name of the file.
    pub name: String,
    /// Which of `config`, `config1` and `config2`.
    word: Word,
    /// Ranges of bits, lowest of the value first; both ends are in it.
    ranges: Vec<(u32, u32)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Config,
    Config1,
    Config2,
}

impl Word {
    fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"config" => Some(Self::Config),
            b"config1" => Some(Self::Config1),
            b"config2" => Some(Self::Config2),
            _ => None,
        }
    }

    fn of(self, encoding: &mut Encoding) -> &mut u64 {
        match self {
            Self::Config => &mut encoding.config,
            Self::Config1 => &mut encoding.config1,
            Self::Config2 => &mut encoding.config2,
        }
    }
}

impl Field {
    /// What a file in `format/` says; none where it cannot be understood.
    pub(crate) fn parse(name: &str, text: &[u8]) -> Option<Self> {
        let mut parts = text.trim_ascii().splitn(2, |byte| *byte == b':');
        let word = Word::named(parts.next()?)?;
        let ranges = parts.next()?.split(|byte| *byte == b',').map(range).collect::<Option<_>>()?;
        Some(Self { name: name.to_owned(), word, ranges })
    }

    /// One that is the whole of `config`, `config1` or `config2`.
    pub(crate) fn whole(name: &str) -> Option<Self> {
        Some(Self { name: name.to_owned(), word: Word::named(name.as_bytes())?, ranges: vec![(0, 63)] })
    }

    /// Writes a value into its bits; none where it has more bits than the field.
    pub(crate) fn put(&self, value: u64, encoding: &mut Encoding) -> Option<()> {
        let word = self.word.of(encoding);
        let mut rest = value;
        for (low, high) in &self.ranges {
            let width = high - low + 1;
            let mask = u64::MAX >> (64 - width);
            *word |= (rest & mask) << low;
            rest = rest.checked_shr(width).unwrap_or(0);
        }
        (rest == 0).then_some(())
    }
}

fn range(text: &[u8]) -> Option<(u32, u32)> {
    let bit = |text| u32::try_from(number(text)?).ok().filter(|bit| *bit < 64);
    let mut ends = text.splitn(2, |byte| *byte == b'-');
    let low = bit(ends.next()?)?;
    let high = ends.next().map_or(Some(low), bit)?;
    (low <= high).then_some((low, high))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("config:0-7\n", 0xab, Some((0xab, 0)))]
    #[case("config:8-15", 0xcf, Some((0xcf00, 0)))]
    #[case("config1:1,6-10,44", 0b101_0111, Some((0, 1 << 1 | 0b01011 << 6 | 1 << 44)))]
    #[case("config:8-15,32-55", 0x12_34ab, Some((0x0000_1234_0000_ab00, 0)))]
    #[case("config:0-63", u64::MAX, Some((u64::MAX, 0)))]
    #[case::too_large("config:0-7", 0x100, None)]
    fn values_go_into_their_bits(#[case] text: &str, #[case] value: u64, #[case] expected: Option<(u64, u64)>) {
        let field = Field::parse("event", text.as_bytes()).unwrap();
        let mut encoding = Encoding::default();
        let put = field.put(value, &mut encoding);
        assert_eq!(put.map(|()| (encoding.config, encoding.config1)), expected);
    }

    #[rstest]
    #[case("config3:0-7")]
    #[case("config:7-0")]
    #[case("config:64")]
    #[case("config")]
    #[case("config:")]
    #[case("0-7")]
    #[case("")]
    fn other_texts_are_not_understood(#[case] text: &str) {
        assert_eq!(Field::parse("event", text.as_bytes()), None);
    }

    #[test]
    fn a_whole_word_is_a_field() {
        let mut encoding = Encoding::default();
        Field::whole("config2").unwrap().put(7, &mut encoding).unwrap();
        assert_eq!(encoding.config2, 7);
        assert_eq!(Field::whole("config5"), None);
    }
}
