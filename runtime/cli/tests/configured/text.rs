//! Prometheus text, as a reader of it.

/// One sample.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) value: f64,
    pub(crate) timestamp: Option<i64>,
}

impl Line {
    /// The value of a label; empty where there is none.
    pub(crate) fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(label, _)| label == name).map_or("", |(_, value)| value)
    }

    pub(crate) fn is(&self, name: &str, label: &str, value: &str) -> bool {
        self.name == name && self.label(label) == value
    }
}

/// The samples of a text; one that is cut off at the end, by a writer that has not finished, is left out.
pub(crate) fn lines(text: &str) -> Vec<Line> {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(line).collect()
}

fn line(text: &str) -> Line {
    let end = text.find(['{', ' ']).unwrap_or_else(|| panic!("{text}"));
    let (name, mut rest) = text.split_at(end);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, quoted) = rest.trim_start_matches(',').split_once("=\"").unwrap_or_else(|| panic!("{text}"));
            let end = closing_quote(quoted);
            labels.push((label.to_owned(), quoted[..end].replace("\\\"", "\"").replace("\\n", "\n")));
            rest = &quoted[end + 1..];
        }
        rest = &rest[1..];
    }
    let mut words = rest.split_ascii_whitespace();
    let value = words.next().unwrap().parse().unwrap_or_else(|_| panic!("{text}"));
    let timestamp = words.next().map(|word| word.parse().unwrap());
    assert_eq!(words.next(), None, "{text}");
    Line { name: name.into(), labels, value, timestamp }
}

fn closing_quote(text: &str) -> usize {
    let mut is_escaped = false;
    text.char_indices()
        .find(|(_, character)| {
            let closes = *character == '"' && !is_escaped;
            is_escaped = *character == '\\' && !is_escaped;
            closes
        })
        .unwrap_or_else(|| panic!("{text}"))
        .0
}

/// Each family of a text in its order: its name, its type, and the names of its labels, those of all its samples.
pub(crate) fn families(text: &str) -> Vec<(String, String, Vec<String>)> {
    let mut families: Vec<(String, String, Vec<String>)> = Vec::new();
    for text in text.lines().filter(|line| !line.is_empty() && !line.starts_with("# HELP")) {
        if let Some(rest) = text.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            families.push((name.into(), kind.into(), Vec::new()));
            continue;
        }
        let sample = line(text);
        let family = families.last_mut().unwrap();
        assert_eq!(family.0, sample.name, "a sample stands below the header of another metric");
        let names: Vec<String> = sample.labels.iter().map(|(name, _)| name.clone()).collect();
        assert!(family.2.is_empty() || family.2 == names, "{text}: other labels than {:?}", family.2);
        family.2 = names;
    }
    families
}
