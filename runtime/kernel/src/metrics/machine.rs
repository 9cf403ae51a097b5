//! How the metrics of the machine are found in its files.

use crate::text::{lines, number, number_of, words};

/// user + nice + system + irq + softirq + steal of each `cpuN` line of /proc/stat (proc_stat(5)). Not idle and iowait; the
/// time of guests stands in user and nice already. Old kernels write fewer columns.
#[expect(clippy::cast_precision_loss, reason = "2^53 ticks of 10 ms are three million years")]
pub(crate) fn busy_time(bytes: &[u8], found: &mut Vec<(u32, f64)>) -> bool {
    const BUSY: [bool; 8] = [true, true, true, false, false, true, true, true];
    for line in lines(bytes).take_while(|line| line.starts_with(b"cpu")) {
        let mut words = words(line);
        let name = words.next().unwrap_or_default();
        let Some(id) = name.strip_prefix(b"cpu").filter(|id| !id.is_empty()) else { continue };
        let Some(id) = number(id).and_then(|id| u32::try_from(id).ok()) else { return false };
        let mut ticks = 0u64;
        let mut columns = 0;
        for (word, is_busy) in words.zip(BUSY) {
            let Some(column) = number(word) else { return false };
            ticks = ticks.saturating_add(if is_busy { column } else { 0 });
            columns += 1;
        }
        if columns < 4 {
            return false;
        }
        found.push((id, ticks as f64));
    }
    !found.is_empty()
}

/// `MemTotal - MemFree - Buffers - Cached` of /proc/meminfo (proc_meminfo(5)), from kB to bytes.
#[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
pub(crate) fn memory_in_use(bytes: &[u8], found: &mut Vec<(u32, f64)>) -> bool {
    let [Some(total), Some(free), Some(buffers), Some(cached)] =
        ["MemTotal", "MemFree", "Buffers", "Cached"].map(|key| number_of(bytes, key.as_bytes()))
    else {
        return false;
    };
    let used = total.saturating_sub(free).saturating_sub(buffers).saturating_sub(cached);
    found.push((0, used.saturating_mul(1_024) as f64));
    true
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("cpu  9 9 9 9\ncpu0 1 2 4 1000 1000 8 16 32 64 128\ncpu3 5 0 0 9 9 0 0 0 0 0\nintr 7\n", Some(vec![(0, 63.0), (3, 5.0)]))]
    #[case("cpu  9 9 9 9\ncpu0 1 2 4 1000\nintr 1\n", Some(vec![(0, 7.0)]))]
    #[case("cpu  9 9 9 9\n", None)]
    #[case("cpu  9 9 9 9\ncpu0 1 2 4\n", None)]
    #[case("cpu0 1 2 x 4\n", None)]
    #[case("cpux 1 2 3 4\n", None)]
    #[case("", None)]
    fn busy(#[case] text: &str, #[case] expected: Option<Vec<(u32, f64)>>) {
        let mut found = Vec::new();
        assert_eq!(busy_time(text.as_bytes(), &mut found).then_some(found), expected);
    }

    #[rstest]
    #[case(
        "MemTotal: 100 kB\nMemFree: 40 kB\nMemAvailable: 70 kB\nBuffers: 3 kB\nCached: 7 kB\nSwapCached: 9 kB\n",
        Some(51_200.0)
    )]
    #[case("MemTotal: 100 kB\nMemFree: 200 kB\nBuffers: 3 kB\nCached: 7 kB\n", Some(0.0))]
    #[case("MemTotal: 100 kB\nMemFree: 40 kB\nBuffers: 3 kB\n", None)]
    #[case("", None)]
    fn memory(#[case] text: &str, #[case] expected: Option<f64>) {
        let mut found = Vec::new();
        assert_eq!(memory_in_use(text.as_bytes(), &mut found).then(|| found[0].1), expected);
    }
}
