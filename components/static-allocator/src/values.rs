//! Values as people write them: lists of numbers, bytes.

use crate::static_allocator::{Bytes, Ids};

/// Units of bytes, as in Kubernetes.
const UNITS: [(&str, u64); 8] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("K", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
];

/// Most numbers that a range may stand for: more than the kernel has processors.
const MOST: u32 = 65_536;

/// Numbers out of `0-3,6`, ascending, each once; `List format` of cpuset(7).
pub(crate) fn ids(written: &Ids) -> Result<Vec<u32>, String> {
    let text = match written {
        Ids::Several(ids) => return Ok(ids.clone()),
        Ids::One(id) => return Ok(vec![*id]),
        Ids::Text(text) if text.trim().is_empty() => return Ok(Vec::new()),
        Ids::Text(text) => text,
    };
    let wrong = |part: &str| format!("`{}` is no number and no range; a list such as 0-3,6 is taken", part.trim());
    let number = |part: &str| part.trim().parse::<u32>().map_err(|_| wrong(part));
    let mut ids = Vec::new();
    for part in text.split(',') {
        match part.split_once('-') {
            None => ids.push(number(part)?),
            Some((first, last)) => {
                let (first, last) = (number(first)?, number(last)?);
                if last < first || last - first >= MOST {
                    return Err(wrong(part));
                }
                ids.extend(first..=last);
            }
        }
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// The text of numbers, for messages.
pub(crate) fn ids_text(written: &Ids) -> String {
    match written {
        Ids::Text(text) => text.clone(),
        Ids::One(id) => id.to_string(),
        Ids::Several(ids) => ids.iter().map(u32::to_string).collect::<Vec<_>>().join(","),
    }
}

/// Bytes out of `512Mi`; none out of `max`.
pub(crate) fn bytes(written: &Bytes) -> Result<Option<u64>, String> {
    let text = match written {
        Bytes::Number(bytes) => return Ok(Some(*bytes)),
        Bytes::Text(text) if text == "max" => return Ok(None),
        Bytes::Text(text) => text,
    };
    let unit = UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)));
    let (digits, unit) = unit.unwrap_or((text, 1));
    let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    bytes.map(Some).ok_or_else(|| "this is no number of bytes; 512Mi, 1G, 4096 or max is taken".into())
}

/// The text of bytes, for messages.
pub(crate) fn bytes_text(written: &Bytes) -> String {
    match written {
        Bytes::Number(bytes) => bytes.to_string(),
        Bytes::Text(text) => text.clone(),
    }
}
