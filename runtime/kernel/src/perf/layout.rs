//! How events are divided into groups that fit the processor.

use std::collections::VecDeque;
use std::sync::Arc;

use rustix::io::Errno;

use crate::perf::event::Encoding;
use crate::perf::group::{LARGEST, OpenError};
use crate::platform::is_amd;
use crate::text::text_of;

/// How many events a processor is taken to count at once, before it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// Counters for any event.
    pub general: usize,
    /// Whether cycles and instructions have counters of their own.
    pub has_fixed: bool,
}

impl Room {
    /// The room of a processor: on Intel 8 counters per core, which threads share, and fixed ones (SDM volume 3, 20.3); on AMD 6 per
    /// thread (APM volume 2, 13.2). Of others nothing is known before they are asked.
    ///
    /// The kernel's watchdog keeps one for itself. A group that does not fit beside it can be opened all the same, and never counts.
    pub(crate) fn of(cpuinfo: &[u8], has_threads: bool, has_watchdog: bool) -> Self {
        let taken = usize::from(has_watchdog);
        if text_of(cpuinfo, "vendor_id") == Some("GenuineIntel") {
            Self { general: if has_threads { 4 } else { 8 } - taken, has_fixed: true }
        } else if is_amd(cpuinfo) {
            Self { general: 6 - taken, has_fixed: false }
        } else {
            Self { general: LARGEST, has_fixed: false }
        }
    }

    /// Divides events into groups, in their order: the kernel's own are a group of themselves, since they always count, and
    /// those with a counter of their own go with the first.
    fn divide(self, events: &[Encoding]) -> VecDeque<Vec<usize>> {
        let numbered = || events.iter().enumerate();
        let is_fixed = |event: &Encoding| self.has_fixed && event.has_fixed_counter();
        let of = |wanted: &dyn Fn(&Encoding) -> bool| -> Vec<usize> {
            numbered().filter(|(_, event)| wanted(event)).map(|(at, _)| at).collect()
        };
        let general = of(&|event| !event.is_software() && !is_fixed(event));
        let mut groups: VecDeque<Vec<usize>> = general.chunks(self.general.max(1)).map(<[usize]>::to_vec).collect();
        let fixed = of(&is_fixed);
        match groups.front_mut() {
            Some(first) => first.splice(..0, fixed).for_each(drop),
            None => groups.push_back(fixed),
        }
        let software = of(&|event| event.is_software());
        groups.extend(software.chunks(LARGEST).map(<[usize]>::to_vec));
        groups.retain(|group| !group.is_empty());
        groups
    }
}

/// The groups that the processor takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Events of each group.
    pub groups: Vec<Arc<[usize]>>,
    /// Events that cannot be counted, and what the kernel said.
    pub lost: Vec<(usize, Errno)>,
}

impl Layout {
    /// Asks the kernel, which refuses an event that does not fit the group (EINVAL): it then leads the next one.
    ///
    /// # Errors
    /// The process has run out of descriptors (EMFILE, ENFILE).
    pub(crate) fn probe(
        events: &[Encoding],
        room: Room,
        mut open: impl FnMut(&Arc<[usize]>) -> Result<(), OpenError>,
    ) -> Result<Self, Errno> {
        let mut layout = Self::default();
        let mut left = room.divide(events);
        while let Some(mut group) = left.pop_front() {
            while !group.is_empty() {
                let asked: Arc<[usize]> = group.as_slice().into();
                match open(&asked) {
                    Ok(()) => {
                        layout.groups.push(asked);
                        break;
                    }
                    Err(OpenError { error: error @ (Errno::MFILE | Errno::NFILE), .. }) => return Err(error),
                    Err(OpenError { at: at @ 1.., error: Errno::INVAL }) => left.push_front(group.split_off(at)),
                    Err(OpenError { at, error }) => layout.lost.push((group.remove(at), error)),
                }
            }
        }
        Ok(layout)
    }

    /// Divides a group that could be opened and never counts.
    pub(crate) fn halve(&mut self, group: usize) {
        let Some(events) = self.groups.get(group).filter(|events| events.len() > 1) else { return };
        let (first, second) = events.split_at(events.len() / 2);
        let (first, second) = (first.into(), second.into());
        self.groups.splice(group..=group, [first, second]);
    }

    /// Descriptors for one task on one processor.
    pub(crate) fn files(&self) -> usize {
        self.groups.iter().map(|group| group.len()).sum()
    }

    /// The events that are counted, by position.
    pub(crate) fn has(&self, event: usize) -> bool {
        self.groups.iter().any(|group| group.contains(&event))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::perf::event::Event;
    use crate::perf::microarchitecture::Microarchitecture::Skylake;

    const INTEL: &[u8] = b"vendor_id\t: GenuineIntel\n";

    fn events(names: &str) -> Vec<Encoding> {
        names.split_whitespace().map(|name| Event::named(name, Skylake).unwrap().encoding).collect()
    }

    fn lists(layout: &Layout) -> Vec<Vec<usize>> {
        layout.groups.iter().map(|group| group.to_vec()).collect()
    }

    const EIGHT: &str = "x__r0100 x__r0101 x__r0102 x__r0103 x__r0104 x__r0105 x__r0106 x__r0107";

    #[rstest]
    #[case::v62_five_with_threads("x__r0100 x__r0101 x__r0102 x__r0103 x__r0104", true, &[4, 1])]
    #[case::v62_eight_without(EIGHT, false, &[8])]
    #[case::v62_nine_without(&format!("{EIGHT} x__r0108"), false, &[8, 1])]
    #[case::v62_fixed_ones_besides("x__r0100 cycles x__r0101 x__r0102 instructions x__r0103", true, &[6])]
    #[case("cycles instructions", true, &[2])]
    #[case("cycles page_faults cache_misses cpu_migrations", true, &[2, 2])]
    #[case("page_faults", true, &[1])]
    #[case("", true, &[])]
    fn groups_fit_the_counters(#[case] names: &str, #[case] has_threads: bool, #[case] expected: &[usize]) {
        let room = Room::of(INTEL, has_threads, false);
        let layout = Layout::probe(&events(names), room, |_| Ok(())).unwrap();
        assert_eq!(layout.groups.iter().map(|group| group.len()).collect::<Vec<_>>(), expected);
        assert_eq!(layout.files(), names.split_whitespace().count());
    }

    #[rstest]
    #[case::intel(INTEL, true, true, 3, true)]
    #[case::amd(b"vendor_id\t: AuthenticAMD\n", true, false, 6, false)]
    #[case::amd_with_watchdog(b"vendor_id\t: AuthenticAMD\n", true, true, 5, false)]
    #[case::arm(b"CPU implementer\t: 0x41\n", false, false, LARGEST, false)]
    fn rooms(
        #[case] cpuinfo: &[u8],
        #[case] has_threads: bool,
        #[case] has_watchdog: bool,
        #[case] general: usize,
        #[case] has_fixed: bool,
    ) {
        assert_eq!(Room::of(cpuinfo, has_threads, has_watchdog), Room { general, has_fixed });
    }

    /// A kernel that takes so many events of a group, and not these at all.
    fn kernel(takes: usize, lacks: &[usize]) -> impl FnMut(&Arc<[usize]>) -> Result<(), OpenError> {
        move |group| {
            for (at, event) in group.iter().enumerate() {
                if lacks.contains(event) {
                    return Err(OpenError { at, error: Errno::NOENT });
                }
                if at >= takes {
                    return Err(OpenError { at, error: Errno::INVAL });
                }
            }
            Ok(())
        }
    }

    #[rstest]
    #[case::fewer_counters_than_thought(2, &[], vec![vec![0, 1], vec![2, 3], vec![4]], &[])]
    #[case::an_event_that_is_not_there(8, &[1], vec![vec![0, 2, 3, 4]], &[1])]
    #[case::the_leader_is_not_there(2, &[0], vec![vec![1, 2], vec![3, 4]], &[0])]
    #[case::none_is_there(8, &[0, 1, 2, 3, 4], vec![], &[0, 1, 2, 3, 4])]
    #[case::refused_alone_too(0, &[], vec![], &[0, 1, 2, 3, 4])]
    fn the_kernel_has_the_last_word(
        #[case] takes: usize,
        #[case] lacks: &[usize],
        #[case] groups: Vec<Vec<usize>>,
        #[case] lost: &[usize],
    ) {
        let events = events("x__r0100 x__r0101 x__r0102 x__r0103 x__r0104");
        let room = Room { general: 8, has_fixed: true };
        let layout = Layout::probe(&events, room, kernel(takes, lacks)).unwrap();
        assert_eq!(lists(&layout), groups);
        assert_eq!(layout.lost.iter().map(|(event, _)| *event).collect::<Vec<_>>(), lost);
        assert!((0..5).all(|event| layout.has(event) != lost.contains(&event)));
    }

    #[test]
    fn a_process_without_descriptors_learns_nothing() {
        let room = Room { general: 8, has_fixed: true };
        let open = |_: &Arc<[usize]>| Err(OpenError { at: 0, error: Errno::MFILE });
        assert_eq!(Layout::probe(&events("cycles"), room, open), Err(Errno::MFILE));
    }

    #[test]
    fn a_group_that_never_counts_is_divided() {
        let mut layout = Layout { groups: vec![[0, 1, 2].as_slice().into(), [3].as_slice().into()], lost: vec![] };
        layout.halve(0);
        assert_eq!(lists(&layout), [vec![0], vec![1, 2], vec![3]]);
        layout.halve(2);
        assert_eq!(lists(&layout), [vec![0], vec![1, 2], vec![3]], "one event alone waits");
        layout.halve(9);
    }
}
