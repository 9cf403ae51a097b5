//! Parsers over bytes for the few forms in which the kernel writes numbers. None of them allocates for a value.

use std::io::BufRead as _;
use std::ops::Range;

/// The words of a line, separated by blanks and tabs.
pub(crate) fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// The lines of a file, without their ends.
pub(crate) fn lines(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let rest = bytes;
        // It looks at many bytes at a time, as splitting a slice does not; reading from memory never fails.
        let count = bytes.skip_until(b'\n').unwrap_or(0);
        let line = &rest[..count];
        (count > 0).then(|| line.strip_suffix(b"\n").unwrap_or(line))
    })
}

/// A decimal number with nothing around it but white space; none too where it is greater than 2^64 - 1.
pub(crate) fn number(bytes: &[u8]) -> Option<u64> {
    let digits = bytes.trim_ascii();
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

/// A hexadecimal number without `0x`, as bit masks are written.
pub(crate) fn hexadecimal(bytes: &[u8]) -> Option<u64> {
    let text = str::from_utf8(bytes.trim_ascii()).ok()?;
    if text.starts_with('+') {
        return None;
    }
    u64::from_str_radix(text, 16).ok()
}

/// The number behind `key` in a file of lines `key number` or `key: number kB`.
pub(crate) fn number_of(bytes: &[u8], key: &[u8]) -> Option<u64> {
    number(word_behind(bytes, key)?)
}

/// The word behind `key` in such a file, empty where nothing stands behind it.
pub(crate) fn word_behind<'a>(bytes: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    lines(bytes).find_map(|line| word_of_line(line, key))
}

/// The word behind `key`, where the line begins with that.
pub(crate) fn word_of_line<'a>(line: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let rest = line.get(key.len()..)?;
    let rest = rest.strip_prefix(b":").unwrap_or(rest);
    // The end of a key tells most of them apart, and is cheaper to look at.
    let is_end = rest.len() + key.len() < line.len() || rest.first().is_none_or(u8::is_ascii_whitespace);
    (is_end && line.starts_with(key)).then(|| words(rest).next().unwrap_or_default())
}

/// The text behind `key` in a file of lines `key  : text`, as /proc/cpuinfo has them.
pub(crate) fn text_of<'a>(bytes: &'a [u8], key: &str) -> Option<&'a str> {
    let text = lines(bytes).find_map(|line| {
        let rest = line.strip_prefix(key.as_bytes())?.trim_ascii_start();
        rest.strip_prefix(b":")
    })?;
    str::from_utf8(text).ok().map(str::trim)
}

/// More processors or nodes than any kernel is built for; keeps a malformed range from filling memory.
const LIST_LIMIT: usize = 65_536;

/// A list of ranges such as `0-3,8`, as files of processors and NUMA nodes have them. An empty file is an empty list.
pub(crate) fn number_list(bytes: &[u8]) -> Option<Vec<u32>> {
    let mut list = Vec::new();
    let bytes = bytes.trim_ascii();
    if bytes.is_empty() {
        return Some(list);
    }
    for part in bytes.split(|byte| *byte == b',') {
        let range = range(part)?;
        if range.len().checked_add(list.len())? > LIST_LIMIT {
            return None;
        }
        list.extend(range);
    }
    Some(list)
}

fn range(part: &[u8]) -> Option<Range<u32>> {
    let small = |bytes| u32::try_from(number(bytes)?).ok();
    let mut ends = part.splitn(2, |byte| *byte == b'-');
    let first = small(ends.next()?)?;
    let last = ends.next().map_or(Some(first), small)?;
    (first <= last).then_some(first..last.checked_add(1)?)
}

/// Text in which the kernel wrote blanks, tabs, newlines and backslashes as `\040` and the like (proc_pid_mountinfo(5)).
pub(crate) fn without_octal(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|digits| digits.iter().all(|digit| (b'0'..=b'7').contains(digit)));
        let code = digits.map(|d| u32::from(d[0] - b'0') * 64 + u32::from(d[1] - b'0') * 8 + u32::from(d[2] - b'0'));
        match code.and_then(|code| u8::try_from(code).ok()).filter(|_| *first == b'\\') {
            Some(byte) => {
                text.push(byte);
                rest = &after[3..];
            }
            None => {
                text.push(*first);
                rest = after;
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0\n", Some(0))]
    #[case("18446744073709551615\n", Some(u64::MAX))]
    #[case("18446744073709551616\n", None)]
    #[case("  42 \n", Some(42))]
    #[case("", None)]
    #[case("\n", None)]
    #[case("max\n", None)]
    #[case("-1\n", None)]
    #[case("+1\n", None)]
    #[case("1 2\n", None)]
    fn numbers(#[case] text: &str, #[case] expected: Option<u64>) {
        assert_eq!(number(text.as_bytes()), expected);
    }

    #[rstest]
    #[case("7ff\n", Some(0x7ff))]
    #[case("ffffffffffffffff", Some(u64::MAX))]
    #[case("10000000000000000", None)]
    #[case("+1", None)]
    #[case("", None)]
    #[case("xyz", None)]
    fn masks(#[case] text: &str, #[case] expected: Option<u64>) {
        assert_eq!(hexadecimal(text.as_bytes()), expected);
    }

    #[rstest]
    #[case("usage_usec", Some(12))]
    #[case("MemTotal", Some(34))]
    #[case("usage", None)]
    #[case("last", Some(5))]
    #[case("empty", None)]
    #[case("absent", None)]
    fn keys(#[case] key: &str, #[case] expected: Option<u64>) {
        let file = "usage_usec 12\nMemTotal:       34 kB\nempty\nlast\t5";
        assert_eq!(number_of(file.as_bytes(), key.as_bytes()), expected);
    }

    #[rstest]
    #[case("model name", Some("Example CPU @ 2 GHz"))]
    #[case("model", Some("1"))]
    #[case("none", None)]
    fn texts(#[case] key: &str, #[case] expected: Option<&str>) {
        assert_eq!(text_of(b"model\t\t: 1\nmodel name\t: Example CPU @ 2 GHz\n", key), expected);
    }

    #[rstest]
    #[case("0-3,8\n", Some(vec![0, 1, 2, 3, 8]))]
    #[case("5", Some(vec![5]))]
    #[case("\n", Some(vec![]))]
    #[case("3-1", None)]
    #[case("0-", None)]
    #[case("a", None)]
    #[case("0,,1", None)]
    #[case("0-4294967295", None)]
    #[case("0-4294967294", None)]
    fn lists(#[case] text: &str, #[case] expected: Option<Vec<u32>>) {
        assert_eq!(number_list(text.as_bytes()), expected);
    }

    #[rstest]
    #[case(r"/a\040b", "/a b")]
    #[case(r"/a\134040", r"/a\040")]
    #[case(r"/a\", r"/a\")]
    #[case(r"/a\04", r"/a\04")]
    #[case(r"/a\777", r"/a\777")]
    #[case(r"/a\011\012", "/a\t\n")]
    fn octal(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(without_octal(text.as_bytes()), expected.as_bytes());
    }
}
