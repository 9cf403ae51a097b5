//! Which form of the text an answer has, by what the request accepts (RFC 9110, 12.5).

/// The form of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Prometheus text, version 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// The value of `Content-Type`.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    fn media(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Text => ("text", "plain", "0.0.4"),
            Self::OpenMetrics => ("application", "openmetrics-text", "1.0.0"),
        }
    }
}

/// The form for a request with these values of `Accept`: OpenMetrics where it is wanted more than the other, or as much and by
/// its name. Who accepts neither gets the other all the same, as a server may do.
pub(crate) fn format<'a>(accept: impl IntoIterator<Item = &'a str>) -> Format {
    let ranges: Vec<Range<'_>> = accept.into_iter().flat_map(|value| value.split(',')).filter_map(range).collect();
    let (text, _) = weight_of(Format::Text, &ranges);
    let (open, is_named) = weight_of(Format::OpenMetrics, &ranges);
    if open > text || (open == text && open > 0 && is_named) { Format::OpenMetrics } else { Format::Text }
}

/// Whether a request with these values of `Accept-Encoding` wants its answer compressed by gzip.
pub(crate) fn takes_gzip<'a>(accept: impl IntoIterator<Item = &'a str>) -> bool {
    let (mut gzip, mut any, mut plain) = (None, None, None);
    for element in accept.into_iter().flat_map(|value| value.split(',')) {
        let (coding, parameters) = element.split_once(';').unwrap_or((element, ""));
        let Some(weight) = weight(parameters) else { continue };
        match coding.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => gzip = Some(weight),
            "*" => any = Some(weight),
            "identity" => plain = Some(weight),
            _ => {}
        }
    }
    let gzip = gzip.or(any).unwrap_or(0);
    gzip > 0 && plain.is_none_or(|plain| gzip >= plain)
}

/// An element of `Accept`.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// The version that it asks for; none: any.
    version: Option<&'a str>,
    /// In thousandths.
    weight: u16,
}

fn range(element: &str) -> Option<Range<'_>> {
    let (media, parameters) = element.split_once(';').unwrap_or((element, ""));
    let (kind, subtype) = media.trim().split_once('/')?;
    let weight = weight(parameters)?;
    let version = parameter(parameters, "version");
    Some(Range { kind, subtype, version, weight })
}

/// How much a form is wanted, in thousandths, by the range that says most about it; and whether that names it.
fn weight_of(format: Format, ranges: &[Range<'_>]) -> (u16, bool) {
    let (kind, subtype, version) = format.media();
    let closeness = |range: &Range<'_>| match (range.kind, range.subtype) {
        ("*", "*") => Some(0),
        (of, "*") if of.eq_ignore_ascii_case(kind) => Some(1),
        (of, name) if of.eq_ignore_ascii_case(kind) && name.eq_ignore_ascii_case(subtype) => match range.version {
            None => Some(2),
            Some(wanted) => (wanted == version).then_some(3),
        },
        _ => None,
    };
    let closest = ranges.iter().filter_map(|range| Some((closeness(range)?, range.weight))).max();
    closest.map_or((0, false), |(closeness, weight)| (weight, closeness > 1))
}

/// The weight among parameters, in thousandths; one where there is none, and nothing where it is none.
fn weight(parameters: &str) -> Option<u16> {
    let Some(text) = parameter(parameters, "q") else { return Some(1000) };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    match (whole, fraction) {
        ("0", fraction) => Some(fraction),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

fn parameter<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    parameters.split(';').find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const OPEN: Format = Format::OpenMetrics;
    const TEXT: Format = Format::Text;

    #[rstest]
    #[case::nothing(&[], TEXT)]
    #[case::anything(&["*/*"], TEXT)]
    #[case::browser(&["text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"], TEXT)]
    #[case::prometheus_2(
        &["application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"],
        OPEN
    )]
    #[case::prometheus_3(
        &["application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,/;q=0.1"],
        OPEN
    )]
    #[case::prometheus_that_prefers_text(
        &["text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.2"],
        TEXT
    )]
    #[case::two_lines(&["text/plain;q=0.5", "application/openmetrics-text"], OPEN)]
    #[case::equal(&["application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4"], OPEN)]
    #[case::named_beside_anything(&["application/openmetrics-text, */*"], OPEN)]
    #[case::older_version(&["application/openmetrics-text;version=0.0.1"], TEXT)]
    #[case::only_applications(&["application/*"], OPEN)]
    #[case::not_at_all(&["application/openmetrics-text;q=0"], TEXT)]
    #[case::neither(&["image/png"], TEXT)]
    #[case::wrong_weight(&["application/openmetrics-text;q=2, text/plain;q=0.1"], TEXT)]
    #[case::case_and_quotes(&["Application/OpenMetrics-Text; Version=\"1.0.0\"; Q=1.000"], OPEN)]
    #[case::closest_counts(&["application/*;q=1, application/openmetrics-text;q=0.1, text/plain;q=0.5"], TEXT)]
    #[case::nonsense(&[";;,,/;=,q=1"], TEXT)]
    fn formats(#[case] accept: &[&str], #[case] expected: Format) {
        assert_eq!(format(accept.iter().copied()), expected);
    }

    #[rstest]
    #[case(&[], false)]
    #[case(&["gzip"], true)]
    #[case(&["deflate, gzip;q=0.5"], true)]
    #[case(&["deflate", "X-GZIP"], true)]
    #[case(&["gzip;q=0"], false)]
    #[case(&["*"], true)]
    #[case(&["*, gzip;q=0"], false)]
    #[case(&["br, identity"], false)]
    #[case(&["identity, gzip;q=0.5"], false)]
    #[case(&["identity;q=0.5, gzip"], true)]
    #[case(&["gzip;q=x"], false)]
    fn encodings(#[case] accept: &[&str], #[case] expected: bool) {
        assert_eq!(takes_gzip(accept.iter().copied()), expected);
    }
}
