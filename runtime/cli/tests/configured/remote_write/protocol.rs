//! Requests of the protocol, read by hand: protobuf packed with snappy, each by its format
//! (<https://protobuf.dev/programming-guides/encoding>, <https://github.com/google/snappy/blob/main/format_description.txt>).

use std::ops::Range;

/// What one request says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Request {
    pub(super) series: Vec<Series>,
    pub(super) metadata: Vec<Metadata>,
}

/// One series: its labels as they stand there, and its values with their times in milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Series {
    pub(super) labels: Vec<(String, String)>,
    pub(super) values: Vec<(f64, i64)>,
}

impl Series {
    pub(super) fn name(&self) -> &str {
        self.labels.iter().find(|(name, _)| name == "__name__").map_or("", |(_, name)| name)
    }
}

/// What a metric is: 1 is a counter, 2 a gauge.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Metadata {
    pub(super) kind: u64,
    pub(super) name: String,
    pub(super) help: String,
}

impl Request {
    pub(super) fn read(packed: &[u8]) -> Self {
        let mut request = Self::default();
        for (number, value) in fields(&unpacked(packed)) {
            match number {
                1 => request.series.push(series(value.bytes())),
                3 => request.metadata.push(metadata(value.bytes())),
                other => panic!("a request has no field {other}"),
            }
        }
        request
    }

    /// The time of all its values.
    pub(super) fn time(&self) -> i64 {
        let mut times = self.series.iter().flat_map(|series| &series.values).map(|(_, time)| *time);
        let first = times.next().unwrap();
        assert!(times.all(|time| time == first), "{self:?}");
        first
    }
}

fn series(bytes: &[u8]) -> Series {
    let mut series = Series::default();
    for (number, value) in fields(bytes) {
        let inner = fields(value.bytes());
        let part = |wanted: u64| inner.iter().find(|(number, _)| *number == wanted).map(|(_, value)| value);
        match number {
            1 => series.labels.push((part(1).unwrap().text(), part(2).unwrap().text())),
            // A number that is 0 is left out.
            2 => series.values.push((part(1).map_or(0.0, Value::double), part(2).map_or(0, Value::signed))),
            other => panic!("a series has no field {other}"),
        }
    }
    series
}

fn metadata(bytes: &[u8]) -> Metadata {
    let mut metadata = Metadata::default();
    for (number, value) in fields(bytes) {
        match (number, &value) {
            (1, Value::Number(kind)) => metadata.kind = *kind,
            (2, _) => metadata.name = value.text(),
            (4, _) => metadata.help = value.text(),
            other => panic!("metadata has no {other:?}"),
        }
    }
    metadata
}

/// A value on the wire.
#[derive(Debug)]
enum Value<'a> {
    Number(u64),
    Eight([u8; 8]),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    fn bytes(&self) -> &'a [u8] {
        let Self::Bytes(bytes) = self else { panic!("{self:?} has no length") };
        bytes
    }

    fn text(&self) -> String {
        std::str::from_utf8(self.bytes()).unwrap().to_owned()
    }

    fn double(&self) -> f64 {
        let Self::Eight(bytes) = self else { panic!("{self:?} is no double") };
        f64::from_le_bytes(*bytes)
    }

    fn signed(&self) -> i64 {
        let Self::Number(number) = self else { panic!("{self:?} is no number") };
        number.cast_signed()
    }
}

/// The fields of a message, with their numbers.
fn fields(mut rest: &[u8]) -> Vec<(u64, Value<'_>)> {
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let key = number(&mut rest);
        let value = match key & 7 {
            0 => Value::Number(number(&mut rest)),
            1 => Value::Eight(taken(&mut rest, 8).try_into().unwrap()),
            2 => {
                let length = usize::try_from(number(&mut rest)).unwrap();
                Value::Bytes(taken(&mut rest, length))
            }
            other => panic!("no wire type {other}"),
        };
        fields.push((key >> 3, value));
    }
    fields
}

fn taken<'a>(rest: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(length);
    *rest = left;
    taken
}

/// A number in groups of seven bits, the least first.
fn number(rest: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..).step_by(7) {
        let byte = taken(rest, 1)[0];
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}

/// What was packed with snappy, as one block.
fn unpacked(mut rest: &[u8]) -> Vec<u8> {
    let length = usize::try_from(number(&mut rest)).unwrap();
    let mut bytes: Vec<u8> = Vec::with_capacity(length);
    while !rest.is_empty() {
        let tag = usize::from(taken(&mut rest, 1)[0]);
        let (kind, high) = (tag & 3, tag >> 2);
        if kind == 0 {
            let length = if high < 60 { high } else { little(taken(&mut rest, high - 59)) };
            bytes.extend(taken(&mut rest, length + 1));
            continue;
        }
        let (length, back) = match kind {
            1 => (4 + (high & 7), (high >> 3) << 8 | little(taken(&mut rest, 1))),
            2 => (1 + high, little(taken(&mut rest, 2))),
            _ => (1 + high, little(taken(&mut rest, 4))),
        };
        // It may reach into what it brings itself.
        let from = bytes.len() - back;
        let copied: Range<usize> = from..from + length;
        copied.for_each(|at| bytes.push(bytes[at]));
    }
    assert_eq!(bytes.len(), length);
    bytes
}

fn little(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

#[test]
fn what_is_packed_is_read_as_its_format_says() {
    // A literal, and a copy that reaches into itself; a literal of more than 60 bytes, and a copy with two bytes of offset.
    assert_eq!(unpacked(&[8, 4, b'a', b'b', 0b0000_1001, 2]), b"abababab");
    let long = [&[72u8, 60 << 2, 63][..], &[b'x'; 64], &[0b0001_1110, 64, 0]].concat();
    assert_eq!(unpacked(&long), [b'x'; 72]);
}
