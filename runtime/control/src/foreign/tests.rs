use wca_model::Kind;

use super::*;
use crate::apply::{Due, apply_task};
use crate::testing::{Machine, owner, planned, spot};

/// Shares of 2000 that were 1024, then changed to 555 by somebody else.
struct Scene {
    machine: Machine,
    journal: Journal,
    foreign: ForeignWrites,
}

impl Scene {
    fn new() -> Self {
        let machine = Machine::new().with("/a", "1024\n", "-1\n");
        let mut journal = Journal::in_memory();
        let planned = planned("/a", &[("cpu.shares", "2000")]);
        apply_task(vec![Due { at: 0, owner: owner("/a", Kind::CpuShares), planned }], &machine.values(), &mut journal);
        machine.write("/a", "cpu.shares", "555\n");
        Self { machine, journal, foreign: ForeignWrites::default() }
    }

    fn look(&mut self, does: OnForeignWrite, settings: Settings) -> Vec<String> {
        let on_foreign_write = BTreeMap::from([(Kind::CpuShares, does)]);
        let settings = Settings { on_foreign_write, ..settings };
        self.foreign.look(&self.machine.values(), &mut self.journal, &settings, false)
    }

    fn counts(&self) -> Vec<(Kind, u64)> {
        self.foreign.counts().collect()
    }
}

#[test]
fn it_is_written_again_and_counted_once() {
    let mut scene = Scene::new();
    for _ in 0..3 {
        assert!(scene.look(OnForeignWrite::Reapply, Settings::default()).is_empty());
        assert_eq!(scene.machine.read("/a", "cpu.shares"), "2000");
    }
    assert_eq!(scene.counts(), [(Kind::CpuShares, 1)]);
    scene.machine.write("/a", "cpu.shares", "555\n");
    scene.look(OnForeignWrite::Reapply, Settings::default());
    assert_eq!(scene.counts(), [(Kind::CpuShares, 2)]);
}

#[test]
fn more_often_than_the_operator_wants_it_is_not_written_again() {
    let mut scene = Scene::new();
    let settings = Settings { reapply_per_minute: 1, ..Settings::default() };
    assert!(scene.look(OnForeignWrite::Reapply, settings.clone()).is_empty());
    scene.machine.write("/a", "cpu.shares", "555\n");
    let told = scene.look(OnForeignWrite::Reapply, settings.clone());
    assert!(told[0].contains("1 values were written again in this minute"), "{told:?}");
    assert!(scene.look(OnForeignWrite::Reapply, settings).is_empty(), "said once");
    assert_eq!(
        (scene.machine.read("/a", "cpu.shares").as_str(), scene.counts()),
        ("555\n", vec![(Kind::CpuShares, 2)])
    );
}

#[test]
fn it_is_left_to_others_as_long_as_the_cgroup_lives() {
    let mut scene = Scene::new();
    assert_eq!(scene.look(OnForeignWrite::Yield, Settings::default()).len(), 1);
    let (spot, values) = (spot("/a", "cpu.shares"), scene.machine.values());
    let life = values.life(&spot).unwrap();
    assert_eq!(scene.journal.left()[&spot].life, life);
    assert_eq!((scene.journal.iter().count(), scene.counts()), (0, vec![(Kind::CpuShares, 1)]));
    std::fs::remove_dir_all(scene.machine.path("/a", "")).unwrap();
    scene.look(OnForeignWrite::Yield, Settings::default());
    assert!(scene.journal.left().is_empty());
}

#[test]
fn it_is_said_once_and_stays() {
    let mut scene = Scene::new();
    assert_eq!(scene.look(OnForeignWrite::Report, Settings::default()).len(), 1);
    assert!(scene.look(OnForeignWrite::Report, Settings::default()).is_empty());
    assert_eq!(scene.counts(), [(Kind::CpuShares, 1)]);
    assert_eq!((scene.machine.read("/a", "cpu.shares").as_str(), scene.journal.iter().count()), ("555\n", 1));
}

#[test]
fn a_cgroup_that_has_gone_is_no_foreign_write() {
    let mut scene = Scene::new();
    std::fs::remove_dir_all(scene.machine.path("/a", "")).unwrap();
    assert!(scene.look(OnForeignWrite::Reapply, Settings::default()).is_empty());
    assert_eq!((scene.journal.iter().count(), scene.counts().len()), (0, 0));
}

#[test]
fn nothing_is_written_while_frozen() {
    let mut scene = Scene::new();
    let values = scene.machine.values();
    assert!(scene.foreign.look(&values, &mut scene.journal, &Settings::default(), true).is_empty());
    assert_eq!(scene.machine.read("/a", "cpu.shares"), "555\n");
}
