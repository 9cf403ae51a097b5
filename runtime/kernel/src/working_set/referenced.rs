//! How much of its memory a process has touched since the marks were reset
//! (`Referenced` of /proc/PID/smaps and smaps_rollup, proc_pid_smaps(5); Documentation/filesystems/proc.rst).

use crate::text::{lines, number_of};

/// Bytes that are marked as referenced: the sum over all mappings, of which smaps_rollup has one for all. None where the file
/// has no such line.
pub(crate) fn referenced(bytes: &[u8]) -> Option<u64> {
    const KEY: &[u8] = b"Referenced";
    let mut of_lines = lines(bytes).filter(|line| line.starts_with(KEY)).map(|line| number_of(line, KEY)).peekable();
    of_lines.peek()?;
    let kibibytes = of_lines.try_fold(0u64, |sum, of_line| sum.checked_add(of_line?))?;
    kibibytes.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::rollup(
        "00400000-7ffc4279f000 ---p 00000000 00:00 0    [rollup]\nRss:    1464 kB\nReferenced:         1464 kB\nSwap: 1 kB\n",
        Some(1_499_136)
    )]
    #[case::mappings(
        "00400000-00401000 r-xp 0 0:0 1 /bin/a\nReferenced:  4 kB\nVmFlags: rd\n00500000-00501000 rw-p 0 0:0 1 Referenced: 9\nReferenced:  8 kB\n",
        Some(12_288)
    )]
    #[case::nothing("Referenced:            0 kB\n", Some(0))]
    #[case::no_line("Rss: 4 kB\n", None)]
    #[case::no_number("Referenced:  4 kB\nReferenced:  x kB\n", None)]
    #[case::too_much("Referenced:  18446744073709551615 kB\n", None)]
    #[case::empty("", None)]
    fn of_a_process(#[case] text: &str, #[case] expected: Option<u64>) {
        assert_eq!(referenced(text.as_bytes()), expected);
    }
}
