//! How much a suspect's usage goes with what a victim suffers.

/// One moment at which both were measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    /// What the victim's signal was.
    pub(crate) value: f64,
    /// Cores that the suspect used.
    pub(crate) usage: f64,
}

/// The antagonist correlation of the paper, -1 to 1. With usages scaled so that they add up to 1, a moment above
/// the threshold counts `usage * (1 - threshold / value)`, one below it `usage * (value / threshold - 1)`. It is high where the
/// suspect uses processors while the victim suffers and at no other time. 0 for a suspect that used nothing.
pub(crate) fn antagonist_correlation(pairs: &[Pair], threshold: f64) -> f64 {
    let total: f64 = pairs.iter().map(|pair| pair.usage).sum();
    if total <= 0.0 || threshold <= 0.0 {
        return 0.0;
    }
    pairs
        .iter()
        .map(|Pair { value, usage }| {
            let part = if *value > threshold { 1.0 - threshold / value } else { value / threshold - 1.0 };
            usage / total * part
        })
        .sum()
}

/// Mean usage where the victim's value is above the threshold, and where it is not; NaN where that never was.
pub(crate) fn usages(pairs: &[Pair], threshold: f64) -> (f64, f64) {
    let mean = |above: bool| {
        let usages = pairs.iter().filter(|pair| (pair.value > threshold) == above).map(|pair| pair.usage);
        let (sum, count) = usages.fold((0.0, 0.0), |(sum, count), usage| (sum + usage, count + 1.0));
        sum / count
    };
    (mean(true), mean(false))
}
