//! Groups that several tasks share.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::fs::inotify;
use rustix::io::Errno;
use wca_model::{Change, Fate, Kind};

use crate::requests::{ask, control, controls, group, l3, mb, quiet, roster, schemata, settings, why};
use crate::scene::RESCTRL;

#[test]
#[ignore = "runs inside the test bed"]
fn inside_a_group_is_shared_by_name_until_the_last_one_leaves() {
    let all = [quiet("one"), quiet("two")];
    let tasks = roster(&all.each_ref());
    let of = |at: usize| all[at].processes[0].groups().0;
    let mut control = control(settings());
    let be = || group(Some("be"));
    let asked = [(0, be()), (0, l3(0, 0xf)), (1, be()), (1, l3(0, 0xf))];
    assert_eq!(ask(&mut control, &tasks, &asked), [Fate::Applied, Fate::Applied, Fate::Applied, Fate::Unchanged]);
    assert_eq!((of(0), of(1), controls()), ("be".into(), "be".into(), vec!["be".into()]));
    let fates = ask(&mut control, &tasks, &[(0, be()), (0, l3(0, 0xff)), (1, be()), (1, l3(0, 1))]);
    assert_eq!((&fates[1], schemata("be")[0].as_str()), (&Fate::Applied, "L3:0=0ff;1=7ff"));
    assert!(why(&fates[3]).contains("/one asks for L3:0=ff of the same group in this batch"), "{fates:?}");
    // The one who made it leaves, and the other one keeps it.
    assert_eq!(ask(&mut control, &tasks, &[(0, Change::Release(Kind::RdtGroup))]), [Fate::Applied]);
    assert_eq!((of(0), of(1), schemata("be")[0].as_str()), ("/".into(), "be".into(), "L3:0=0ff;1=7ff"));
    assert_eq!(ask(&mut control, &tasks, &[(1, Change::Release(Kind::RdtGroup))]), [Fate::Applied]);
    assert_eq!((of(1), controls(), control.held().count()), ("/".into(), vec![], 0));
}

#[test]
#[ignore = "runs inside the test bed"]
fn inside_a_group_goes_with_its_last_task() {
    let busy = quiet("ends");
    let tasks = roster(&[&busy]);
    let mut control = control(settings());
    ask(&mut control, &tasks, &[(0, l3(0, 0xf))]);
    assert_eq!(controls().len(), 1);
    drop(busy);
    assert_eq!((control.tick(), controls(), control.held().count()), (vec![], vec![], 0));
}

/// Counts how often files that were opened for writing are closed. The kernel joins equal events that follow each other, and so is asked
/// for those between them too.
struct Writes(OwnedFd);

impl Writes {
    fn of_schemata(groups: &[String]) -> Self {
        let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
        for group in groups {
            let path = format!("{RESCTRL}/{group}/schemata");
            inotify::add_watch(&watch, path, inotify::WatchFlags::CLOSE_WRITE | inotify::WatchFlags::OPEN).unwrap();
        }
        Self(watch)
    }

    fn count(&self) -> usize {
        let mut space = [MaybeUninit::uninit(); 4_096];
        let mut reader = inotify::Reader::new(&self.0, &mut space);
        let mut count = 0;
        loop {
            match reader.next() {
                Ok(event) => count += usize::from(event.events().contains(inotify::ReadFlags::CLOSE_WRITE)),
                Err(Errno::AGAIN) => return count,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Test vector 53: groups of two tasks, and how often schemata are written.
#[test]
#[ignore = "runs inside the test bed"]
fn inside_schemata_are_written_once_for_each_group() {
    for (groups, expected) in
        [([Some("be"), Some("be")], 1), ([Some("be"), Some("le")], 2), ([Some(""), Some("")], 1), ([None, None], 2)]
    {
        let all = [quiet("one"), quiet("two")];
        let tasks = roster(&all.each_ref());
        let mut settings = settings();
        settings.rdt.named_groups = vec![String::new()];
        let mut control = control(settings);
        ask(&mut control, &tasks, &[(0, group(groups[0])), (1, group(groups[1]))]);
        let mut names = controls();
        names.push(String::new());
        let writes = Writes::of_schemata(&names);
        let mut asked = Vec::new();
        for (key, name) in (0..).zip(groups) {
            asked.extend([(key, group(name)), (key, l3(0, 0xf)), (key, l3(1, 0xf)), (key, mb(0, 50))]);
        }
        let fates = ask(&mut control, &tasks, &asked);
        assert!(!fates.iter().any(|fate| matches!(fate, Fate::Failed(_))), "{fates:?}");
        assert_eq!(writes.count(), expected, "{groups:?}");
        let of = all[1].processes[0].groups().0;
        assert_eq!(schemata(of.trim_start_matches('/')), ["L3:0=00f;1=00f", "MB:0=50;1=100"]);
        control.restore();
        assert_eq!(controls(), [""; 0]);
    }
}
