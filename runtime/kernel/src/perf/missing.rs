//! What could not be opened for a task, by event.

use rustix::io::Errno;

use crate::family::Moment;
use crate::perf::event::Event;
use crate::perf::row::Missing;
use crate::perf::trouble;

/// On which processors events of one task could not be opened.
#[derive(Default)]
pub(crate) struct MissingOn(Vec<((usize, Errno), Vec<u32>)>);

impl MissingOn {
    /// Adds one.
    pub(crate) fn add(&mut self, Missing { cpu, event, error }: Missing) {
        // A processor that goes offline meanwhile is found out at the next reading.
        if matches!(error, Errno::NODEV | Errno::NXIO) {
            return;
        }
        match self.0.iter_mut().find(|(what, _)| *what == (event, error)) {
            Some((_, cpus)) => cpus.push(cpu),
            None => self.0.push(((event, error), vec![cpu])),
        }
    }

    /// Says it, once for each event and error, whatever the number of tasks and processors.
    pub(crate) fn say(&self, events: &[Event], moment: &mut Moment<'_>) {
        for ((event, error), cpus) in &self.0 {
            if moment.said.first(("perf missing", event, error.raw_os_error())) {
                moment.notices.push(trouble::event_on(&events[*event].metric, cpus, *error));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Said;
    use crate::limits::Allowance;
    use crate::perf::microarchitecture::Microarchitecture;

    #[test]
    fn what_is_missing_is_said_once_for_each_event_and_error() {
        let events = ["cycles", "page_faults"].map(|name| Event::named(name, Microarchitecture::of(b"")).unwrap());
        let (mut buffer, mut said, mut notices) = (Vec::new(), Said::default(), Vec::new());
        for cpus in [[1, 2], [3, 4]] {
            let mut missing = MissingOn::default();
            for cpu in cpus {
                missing.add(Missing { cpu, event: 0, error: Errno::BUSY });
                missing.add(Missing { cpu, event: 1, error: Errno::NODEV });
            }
            missing.add(Missing { cpu: 7, event: 0, error: Errno::INVAL });
            let allowance = Allowance { left: 0, granted: 0 };
            let (buffer, said, notices) = (&mut buffer, &mut said, &mut notices);
            missing.say(&events, &mut Moment { buffer, traffic: &[], allowance, said, notices });
        }
        let said: Vec<String> = notices.iter().map(ToString::to_string).collect();
        let [busy, refused] = said.as_slice() else { panic!("{said:?}") };
        assert!(busy.contains("cycles on CPUs 1, 2: "), "{busy}");
        assert!(refused.contains("cycles on CPU 7: "), "{refused}");
    }
}
