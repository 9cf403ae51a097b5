//! Pages that move between NUMA nodes, and ticks that go on. These run inside the test bed only.

use std::fs;
use std::process::Command;

use wca_model::{Change, Fate, Kind, Platform};

use crate::common::Scene;
use crate::holder::Holder;

const MIB: u64 = 1 << 20;
/// What a process has beside that which it was told to have, and what the kernel's counts lag behind.
const SLACK: u64 = 8 * MIB;
const THP: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

/// A task whose pages move in steps of 1 MiB, and the last node. `huge`: which memory the kernel makes huge pages of.
fn scene(name: &str, huge: &str) -> (Scene, u32) {
    fs::write(THP, huge).unwrap();
    let scene = Scene::new(name, |settings| settings.migrate_bytes_per_step = MIB);
    let last = scene.platform.nodes.last().unwrap().id;
    assert!(last > 0);
    (scene, last)
}

/// A process of the task with so many bytes on the first node, which may use all nodes from then on.
fn on_first(scene: &Scene, bytes: u64, variables: &[(&str, &str)]) -> Holder {
    scene.set("task", "cpuset.mems", "0");
    let holder = Holder::start(&scene.dir("memory", "task/container"), bytes, variables);
    may_use_all(scene);
    assert!(holder.on(0) >= bytes, "{:?}", holder.on_nodes());
    holder
}

fn may_use_all(scene: &Scene) {
    scene.set("task", "cpuset.mems", fs::read_to_string("/sys/devices/system/node/has_memory").unwrap().trim());
}

/// Ticks until it is so, and what was said.
fn ticks(scene: &mut Scene, mut is_over: impl FnMut(&Scene, &[String]) -> bool) -> Vec<String> {
    let mut told = Vec::new();
    while !is_over(scene, &told) {
        told.extend(scene.control.tick());
        std::thread::yield_now();
    }
    told
}

fn waits(fate: &Fate) -> bool {
    matches!(fate, Fate::Adjusted(why) if why.contains("move first; it is written when they have"))
}

#[test]
#[ignore = "runs inside the test bed"]
fn pages_move_while_ticks_go_on() {
    let (mut scene, last) = scene("move", "never");
    let holder = on_first(&scene, 48 * MIB, &[]);
    let values = scene.all();
    assert_eq!(scene.apply(Change::MigratePages(last)), Fate::Applied);
    let mut seen = vec![holder.on(0)];
    assert_eq!(scene.apply(Change::MigratePages(last)), Fate::Unchanged, "they are on their way");
    let told = ticks(&mut scene, |_, told| {
        seen.push(holder.on(0));
        !told.is_empty()
    });
    // The test program's own pages are mapped by the one that has started it, too.
    assert!(told.len() == 1 && told[0].contains("pages stay since other processes share them"), "{told:?}");
    let under_way = seen.iter().filter(|bytes| (SLACK..48 * MIB).contains(*bytes)).count();
    assert!(seen[0] > 0 && under_way > 2, "{seen:?}");
    assert!(holder.on(last) >= 48 * MIB && holder.on(0) < SLACK, "{:?}", holder.on_nodes());
    let moved = scene.control.moved_bytes();
    assert!((48 * MIB..48 * MIB + SLACK).contains(&moved), "{moved}");
    let stat = fs::read_to_string(format!("{}/memory.numa_stat", scene.dir("memory", "task"))).unwrap();
    let anon = stat.lines().find(|line| line.starts_with("anon ")).unwrap();
    let counted = anon.split(&format!(" N{last}=")).nth(1).unwrap().split(' ').next().unwrap();
    assert!(counted.parse::<u64>().unwrap() >= 48 * MIB - SLACK, "{anon}");
    assert_eq!(scene.apply(Change::MigratePages(last)), Fate::Unchanged, "they are there");
    assert_eq!(scene.apply(Change::Release(Kind::MigratePages)), Fate::Unchanged);
    assert_eq!((scene.control.held().count(), scene.all()), (0, values));
}

#[test]
#[ignore = "runs inside the test bed"]
fn pages_that_others_share_stay_and_are_counted() {
    let (mut scene, last) = scene("shared", "never");
    scene.set("task", "cpuset.mems", "0");
    let (holder, child) = Holder::shared(&scene.dir("memory", "task/container"), 8 * MIB);
    may_use_all(&scene);
    assert!(holder.on(0) >= 8 * MIB);
    assert_eq!(scene.apply(Change::MigratePages(last)), Fate::Applied);
    let told = ticks(&mut scene, |_, told| !told.is_empty());
    let stay: u64 = told[0].split(" moved, ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(stay * 4_096 >= 8 * MIB && holder.on(0) >= 8 * MIB, "{told:?} {:?}", holder.on_nodes());
    assert_eq!(scene.apply(Change::MigratePages(last)), Fate::Unchanged, "what stays is not tried at each tick");
    assert!(Command::new("kill").args(["-9", &child.to_string()]).status().unwrap().success());
}

#[test]
#[ignore = "runs inside the test bed"]
fn transparent_huge_pages_move_as_one_and_are_counted_wholly() {
    let (mut scene, last) = scene("thp", "madvise");
    let holder = on_first(&scene, 32 * MIB, &[("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")]);
    let huge = holder.kilobytes("AnonHugePages:");
    assert!(huge >= 24 << 10, "{huge}");
    assert_eq!(scene.apply(Change::MigratePages(last)), Fate::Applied);
    let told = ticks(&mut scene, |_, told| !told.is_empty());
    let moved = scene.control.moved_bytes();
    assert_eq!(holder.kilobytes("AnonHugePages:"), huge);
    assert!(holder.on(last) >= 32 * MIB && holder.on(0) < SLACK, "{:?}", holder.on_nodes());
    assert!((32 * MIB..32 * MIB + SLACK).contains(&moved), "{moved}");
    assert!(told[0].contains(", 0 since the kernel could not move them"), "{told:?}");
    fs::write(THP, "never").unwrap();
}

#[test]
#[ignore = "runs inside the test bed"]
fn hugetlb_pages_move_whole() {
    let (mut scene, last) = scene("hugetlb", "never");
    let pool = |node: u32, pages: &str| {
        let file = format!("/sys/devices/system/node/node{node}/hugepages/hugepages-2048kB/nr_hugepages");
        fs::write(&file, pages).unwrap();
        fs::read_to_string(file).unwrap().trim().to_owned()
    };
    assert_eq!((pool(0, "12"), pool(last, "12")), ("12".into(), "12".into()));
    let holder = on_first(&scene, 8 * MIB, &[("GLIBC_TUNABLES", "glibc.malloc.hugetlb=2")]);
    let huge = |node: u32| {
        let text = fs::read_to_string(format!("/proc/{}/numa_maps", holder.process())).unwrap();
        let lines = text.lines().filter(|line| line.contains("kernelpagesize_kB=2048"));
        let pages =
            lines.filter_map(|line| line.split(&format!(" N{node}=")).nth(1)?.split(' ').next()?.parse::<u64>().ok());
        pages.sum::<u64>()
    };
    let before = huge(0);
    assert!(before >= 4 && huge(last) == 0, "{before}");
    assert_eq!(scene.apply(Change::MigratePages(last)), Fate::Applied);
    ticks(&mut scene, |_, told| !told.is_empty());
    assert_eq!((huge(0), huge(last)), (0, before));
    assert!(scene.control.moved_bytes() >= before * 2 * MIB);
    drop(holder);
    assert_eq!((pool(0, "0"), pool(last, "0")), ("0".into(), "0".into()));
}

#[test]
#[ignore = "runs inside the test bed"]
fn a_node_without_room_is_refused_and_nothing_moves() {
    let (mut scene, last) = scene("room", "never");
    let filled = Scene::new("filler", |_| {});
    filled.set("task", "cpuset.mems", &last.to_string());
    let free = wca_kernel::pages::free_bytes(&wca_kernel::Roots::system(), last).unwrap().unwrap();
    let _filler = Holder::start(&filled.dir("memory", "task/container"), free - 24 * MIB, &[]);
    let holder = on_first(&scene, 64 * MIB, &[]);
    let before = holder.on_nodes();
    let Fate::Failed(why) = scene.apply(Change::MigratePages(last)) else { panic!() };
    let numbers: Vec<u64> = why.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert!(why.contains(&format!("lie on other nodes than {last}, which has room for")), "{why}");
    assert!(numbers[0] >= 64 * MIB && *numbers.last().unwrap() < numbers[0], "{why}");
    assert_eq!(scene.control.tick(), Vec::<String>::new());
    assert_eq!((holder.on_nodes(), scene.control.moved_bytes()), (before, 0));
    // A list of nodes waits in vain, and is left as it is.
    let mems = scene.get("task", "cpuset.mems");
    assert!(waits(&scene.apply(Change::CpusetMems(vec![last]))));
    let told = ticks(&mut scene, |_, told| !told.is_empty());
    assert!(told[0].contains(&format!("ended early: no room on NUMA node {last}")), "{told:?}");
    assert!(told[0].ends_with("its cpuset_mems stays as it is"), "{told:?}");
    assert_eq!((scene.get("task", "cpuset.mems"), scene.control.held().count()), (mems, 0));
}

#[test]
#[ignore = "runs inside the test bed"]
fn swap_and_the_operator_decide_whether_pages_move() {
    let (mut scene, last) = scene("swap", "never");
    let holder = on_first(&scene, 8 * MIB, &[]);
    scene.platform = Platform { swap: true, ..scene.platform.clone() };
    let Fate::Failed(why) = scene.apply(Change::MigratePages(last)) else { panic!() };
    assert!(why.contains("`migrate_with_swap: true` moves them all the same"), "{why}");
    scene.platform.moves_pages_despite_swap = true;
    assert_eq!(scene.apply(Change::MigratePages(last)), Fate::Applied);
    ticks(&mut scene, |_, _| holder.on(last) >= 8 * MIB);
}

#[test]
#[ignore = "runs inside the test bed"]
fn a_process_may_end_while_its_pages_move() {
    let (mut scene, last) = scene("ends", "never");
    let holder = on_first(&scene, 48 * MIB, &[]);
    assert_eq!(scene.apply(Change::MigratePages(last)), Fate::Applied);
    ticks(&mut scene, |scene, _| scene.control.moved_bytes() > 0);
    drop(holder);
    assert!(scene.control.moved_bytes() < 48 * MIB, "it ended too late");
    // A job of another cgroup comes after that of this one.
    let other = scene.task.strip_suffix("/task").unwrap().to_owned();
    let sleeper = on_first(&scene, MIB, &[]);
    assert_eq!(scene.apply_to(&other, Change::MigratePages(last)), Fate::Applied);
    let told = ticks(&mut scene, |_, told| told.iter().any(|line| line.starts_with(&format!("{other}: "))));
    assert!(!told.iter().any(|line| line.contains("ended early")), "{told:?}");
    drop(sleeper);
    assert_eq!(
        scene.apply_to(&format!("{other}/none"), Change::MigratePages(last)),
        Fate::Failed(format!("the cgroup {other}/none is not there"))
    );
}

#[test]
#[ignore = "runs inside the test bed"]
fn a_node_is_lost_when_the_pages_have_left_it() {
    let (mut scene, last) = scene("lost", "never");
    let holder = on_first(&scene, 48 * MIB, &[]);
    for found in [scene.get("task", "cpuset.mems"), "0".into()] {
        scene.set("task", "cpuset.mems", &found);
        let before = scene.all();
        ask_all_back(&mut scene, &holder);
        assert!(waits(&scene.apply(Change::CpusetMems(vec![last]))));
        let mut seen = vec![(scene.get("task", "cpuset.mems"), holder.on(0))];
        assert_ne!(seen[0].0, last.to_string());
        assert!(waits(&scene.apply(Change::CpusetMems(vec![last]))), "one job");
        ticks(&mut scene, |scene, _| {
            seen.push((scene.get("task", "cpuset.mems"), holder.on(0)));
            seen.last().unwrap().0 == last.to_string()
        });
        assert!(seen[0].1 > SLACK && seen[seen.len() - 2].1 < SLACK, "the pages went before the node: {seen:?}");
        assert_eq!(scene.get("task/container", "cpuset.mems.effective"), last.to_string());
        assert!(holder.on(last) >= 48 * MIB, "{:?}", holder.on_nodes());
        assert_eq!(scene.apply(Change::CpusetMems(vec![last])), Fate::Unchanged);
        let restored = scene.control.restore();
        assert_eq!((restored.put_back, restored.failed, scene.all()), (1, vec![], before));
    }
}

/// The pages lie on the first node again, where they are not.
fn ask_all_back(scene: &mut Scene, holder: &Holder) {
    if holder.on(0) < 48 * MIB {
        assert_eq!(scene.apply(Change::MigratePages(0)), Fate::Applied);
        ticks(scene, |_, told| !told.is_empty());
    }
    assert!(holder.on(0) >= 48 * MIB, "{:?}", holder.on_nodes());
}

#[test]
#[ignore = "runs inside the test bed"]
fn what_waits_is_given_up_by_a_release_and_a_restore() {
    let (mut scene, last) = scene("given-up", "never");
    let holder = on_first(&scene, 48 * MIB, &[]);
    scene.set("task", "cpuset.mems", "0");
    let before = scene.all();
    for is_release in [true, false] {
        assert!(waits(&scene.apply(Change::CpusetMems(vec![last]))));
        assert_eq!(scene.get("task", "cpuset.mems").split(['-', ',']).collect::<Vec<_>>(), ["0", &last.to_string()]);
        if is_release {
            assert_eq!(scene.apply(Change::Release(Kind::CpusetMems)), Fate::Applied);
        } else {
            assert_eq!(scene.control.restore().failed, Vec::<String>::new());
        }
        assert_eq!((scene.all(), scene.control.held().count()), (before.clone(), 0));
        let moved = scene.control.moved_bytes();
        for _ in 0..20 {
            assert_eq!(scene.control.tick(), Vec::<String>::new());
        }
        assert!(scene.control.moved_bytes() < moved + 4 * MIB, "it ends after the call that it is making");
        assert_eq!(scene.all(), before);
    }
    // The kernel has put back by itself what had moved.
    assert!(holder.on(0) >= 48 * MIB, "{:?}", holder.on_nodes());
}
