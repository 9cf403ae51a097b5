//! One exposition as several, each whole by itself.

/// A message: an exposition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) text: String,
    /// How many samples it has.
    pub(super) samples: usize,
}

/// Splits between samples, so that no part has more bytes, unless a single sample with its header has. Each has the header of
/// every metric in it.
pub(super) fn split(text: &str, most: usize) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut part = Part { text: String::new(), samples: 0 };
    // The header lines before the samples, and the one before that a metric ended at.
    let (mut header, mut is_new) = (String::new(), true);
    let mut in_header = false;
    for line in text.lines() {
        if line.is_empty() {
            continue;
        }
        if line.starts_with('#') {
            if !in_header {
                header.clear();
            }
            header.push_str(line);
            header.push('\n');
            (in_header, is_new) = (true, true);
            continue;
        }
        in_header = false;
        let gap = usize::from(is_new && !part.text.is_empty());
        let with_header = if is_new { header.len() } else { 0 };
        if part.samples > 0 && part.text.len() + gap + with_header + line.len() + 1 > most {
            parts.push(std::mem::replace(&mut part, Part { text: String::with_capacity(most), samples: 0 }));
            is_new = true;
        }
        if is_new {
            if !part.text.is_empty() {
                part.text.push('\n');
            }
            part.text.push_str(&header);
            is_new = false;
        }
        part.text.push_str(line);
        part.text.push('\n');
        part.samples += 1;
    }
    if part.samples > 0 {
        parts.push(part);
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "# HELP a Of a.\n# TYPE a gauge\na{x=\"# 1\"} 1 5\na{x=\"2\"} 2 5\n\n# TYPE b counter\nb 3 5\n";

    fn texts(parts: &[Part]) -> Vec<(&str, usize)> {
        parts.iter().map(|part| (part.text.as_str(), part.samples)).collect()
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        assert_eq!(texts(&split(TEXT, TEXT.len())), [(TEXT, 3)]);
        assert_eq!(split("", 10), []);
    }

    #[test]
    fn each_part_is_an_exposition_of_its_own() {
        let first = "# HELP a Of a.\n# TYPE a gauge\na{x=\"# 1\"} 1 5\n";
        let second = "# HELP a Of a.\n# TYPE a gauge\na{x=\"2\"} 2 5\n";
        let third = "# TYPE b counter\nb 3 5\n";
        assert_eq!(texts(&split(TEXT, TEXT.len() - 1)), [(&TEXT[..TEXT.len() - third.len() - 1], 2), (third, 1)]);
        assert_eq!(texts(&split(TEXT, 1)), [(first, 1), (second, 1), (third, 1)]);
    }

    /// The samples of a text, each with the header above it.
    fn samples(text: &str) -> Vec<(String, String)> {
        let (mut header, mut samples) = (String::new(), Vec::new());
        let mut above = "";
        for line in text.lines() {
            if line.starts_with('#') {
                if !above.starts_with('#') {
                    header.clear();
                }
                header.push_str(line);
            } else if !line.is_empty() {
                samples.push((header.clone(), line.to_owned()));
            }
            above = line;
        }
        samples
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_said_twice_and_no_part_is_too_large(
            metrics in prop::collection::vec((any::<bool>(), 1..20_usize, 0..200_usize), 0..12),
            most in 1..2_000_usize,
        ) {
            let mut text = String::new();
            for (number, (has_help, count, length)) in metrics.iter().enumerate() {
                if number > 0 {
                    text.push('\n');
                }
                if *has_help {
                    text.push_str(&format!("# HELP m{number} Help.\n"));
                }
                text.push_str(&format!("# TYPE m{number} gauge\n"));
                for sample in 0..*count {
                    text.push_str(&format!("m{number}{{a=\"{}\",b=\"{sample}\"}} 1\n", "x".repeat(*length)));
                }
            }
            let parts = split(&text, most);
            let found: Vec<_> = parts.iter().flat_map(|part| samples(&part.text)).collect();
            prop_assert_eq!(found, samples(&text));
            for part in &parts {
                prop_assert_eq!(part.samples, samples(&part.text).len());
                prop_assert!(part.samples == 1 || part.text.len() <= most);
            }
        }
    }
}
