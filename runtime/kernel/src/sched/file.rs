//! The file /proc/TID/sched: what the scheduler counts of a thread
//! (proc_sched_show_task of kernel/sched/debug.c; Documentation/scheduler/sched-debug.rst knows some of it).

use crate::text::{lines, words};

/// A number in the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number<'a> {
    /// A line `key : value`.
    Key(&'a [u8]),
    /// One field of a line `numa_faults node=0 task_private=1 …`: the node's number, and the name of the field.
    Faults {
        /// The node.
        node: &'a [u8],
        /// What kind of faults.
        kind: &'a [u8],
    },
}

/// Begins and ends the title of the file, in which the thread's own name stands: lines of dashes.
const RULER: &[u8] = b"--------------------";

/// Gives `found` each number of the file, in their order; false where it is no such file.
pub(crate) fn numbers(bytes: &[u8], found: &mut dyn FnMut(Number<'_>, f64)) -> bool {
    // A thread gives itself any name, a line break and a colon in it too; but none that is as long as the ruler.
    let mut lines = lines(bytes).skip_while(|line| !line.starts_with(RULER));
    if lines.next().is_none() {
        return false;
    }
    for line in lines {
        if let Some(fields) = line.strip_prefix(b"numa_faults ") {
            if !faults(fields, found) {
                return false;
            }
        } else if let Some(colon) = line.iter().position(|byte| *byte == b':') {
            let Some(value) = value(&line[colon + 1..]) else { return false };
            found(Number::Key(line[..colon].trim_ascii()), value);
        }
    }
    true
}

fn faults(fields: &[u8], found: &mut dyn FnMut(Number<'_>, f64)) -> bool {
    let mut fields = words(fields).map(|field| {
        let at = field.iter().position(|byte| *byte == b'=')?;
        Some((&field[..at], &field[at + 1..]))
    });
    let Some(Some((b"node", node))) = fields.next() else { return false };
    fields.all(|field| {
        let counted = field.and_then(|(kind, text)| Some((kind, value(text)?)));
        counted.map(|(kind, value)| found(Number::Faults { node, kind }, value)).is_some()
    })
}

/// Whole or with six decimals, and some are negative.
fn value(bytes: &[u8]) -> Option<f64> {
    let text = str::from_utf8(bytes.trim_ascii()).ok()?;
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn found(text: &str) -> Option<Vec<(String, f64)>> {
        let mut numbers_found = Vec::new();
        let text_of = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let is_well_formed = numbers(text.as_bytes(), &mut |number, value| {
            let name = match number {
                Number::Key(key) => text_of(key),
                Number::Faults { node, kind } => format!("{}/{}", text_of(node), text_of(kind)),
            };
            numbers_found.push((name, value));
        });
        is_well_formed.then_some(numbers_found)
    }

    const DASHES: &str = "-------------------------------------------------------------------\n";

    #[test]
    fn the_numbers_of_a_thread() {
        let text = format!(
            "busy loop (10718, #threads: 1)\n{DASHES}se.exec_start            :      13739857.721517\n\
             nr_switches              :                   12\nnuma_preferred_nid       :                   -1\n\
             mm->numa_scan_seq        :                    0\ncurrent_node=0, numa_group_id=0\n\
             numa_faults node=0 task_private=1 task_shared=2 group_private=3 group_shared=4\n\
             numa_faults node=11 task_private=5 task_shared=0 group_private=0 group_shared=0\n"
        );
        let expected = [
            ("se.exec_start", 13_739_857.721_517),
            ("nr_switches", 12.0),
            ("numa_preferred_nid", -1.0),
            ("mm->numa_scan_seq", 0.0),
            ("0/task_private", 1.0),
            ("0/task_shared", 2.0),
            ("0/group_private", 3.0),
            ("0/group_shared", 4.0),
            ("11/task_private", 5.0),
            ("11/task_shared", 0.0),
            ("11/group_private", 0.0),
            ("11/group_shared", 0.0),
        ];
        assert_eq!(found(&text).unwrap(), expected.map(|(name, value)| (name.to_owned(), value)));
    }

    #[test]
    fn a_name_that_looks_like_a_number_is_none() {
        let text = format!("a\nnr : 999 (7, #threads: 1)\n{DASHES}nr : 1\n");
        assert_eq!(found(&text).unwrap(), [("nr".to_owned(), 1.0)]);
    }

    #[rstest]
    #[case("")]
    #[case("nr_switches : 1\n")]
    #[case("x (1, #threads: 1)\n--------------------\nnr_switches : x\n")]
    #[case("x (1, #threads: 1)\n--------------------\nnr_switches :\n")]
    #[case("x (1, #threads: 1)\n--------------------\nnr_switches : nan\n")]
    #[case("x (1, #threads: 1)\n--------------------\nnuma_faults task_private=1\n")]
    #[case("x (1, #threads: 1)\n--------------------\nnuma_faults node=0 task_private\n")]
    #[case("x (1, #threads: 1)\n--------------------\nnuma_faults node=0 task_private=x\n")]
    fn malformed(#[case] text: &str) {
        assert_eq!(found(text), None);
    }

    #[rstest]
    #[case("x (1, #threads: 1)\n--------------------\n", &[])]
    #[case("x (1, #threads: 1)\n--------------------\na : 1", &["a"])]
    fn short(#[case] text: &str, #[case] names: &[&str]) {
        assert_eq!(found(text).unwrap().into_iter().map(|(name, _)| name).collect::<Vec<_>>(), names);
    }
}
