//! Processes that are killed at any moment: what was found always comes back, or stays for the policy that has asked for it.

use rand_core::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg64;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::{CHANGES, Scene};
use crate::setup::Started;
use crate::task::{Task, can_make_cgroups};

/// How often; `.ci/full` wants more.
fn times() -> u32 {
    std::env::var("WCA_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(9)
}

/// A seed that can be given, for the same moments again.
fn seed() -> u64 {
    let seed = std::env::var("WCA_KILL_SEED").ok().and_then(|text| text.parse().ok());
    seed.unwrap_or_else(|| u64::from(std::process::id()))
}

fn a_moment(random: &mut Pcg64) {
    std::thread::sleep(Duration::from_micros(u64::from(random.next_u32() % 60_000)));
}

pub(super) fn kill_agents(wca: &Started<'_>) {
    let agents = wca_kernel::children(wca.pid()).unwrap_or_default();
    for child in agents.iter().filter_map(|pid| Pid::from_raw(i32::try_from(*pid).unwrap())) {
        // It may have been a compiler that has ended.
        let _ = kill_process(child, Signal::KILL);
    }
}

#[test]
fn whatever_is_killed_when_what_was_found_comes_back() {
    if !can_make_cgroups() {
        return;
    }
    let seed = seed();
    let mut random = Pcg64::seed_from_u64(seed);
    let scene = Scene::new("killed", 3);
    for kill in 0..times() {
        let what = format!("kill {kill} of WCA_KILL_SEED={seed}");
        scene.configure("", CHANGES);
        let mut wca = scene.start();
        let kills_agent = random.next_u32() % 3;
        // One that is asked to end before it has begun is ended by the signal itself.
        if kills_agent == 1 || random.next_u32() % 4 > 0 {
            wca.until("the first change", |_| scene.values() != scene.found);
        }
        a_moment(&mut random);
        if kills_agent > 0 {
            kill_agents(&wca);
        }
        if kills_agent == 1 {
            // The warden goes on, with another agent; asked to end, it puts everything back.
            a_moment(&mut random);
            // 1: the end came before the agent's death was noticed.
            let finished = wca.stop();
            assert!(matches!(finished.code, Some(0 | 1)), "{what}: {finished:?}");
            scene.is_as_found(&what);
            continue;
        }
        wca.signal(Signal::KILL);
        drop(wca);
        if random.next_u32() % 2 == 0 {
            scene.operate("restore").ends_with(0);
        } else {
            scene.configure("", "[cpu_quota 1]");
            let ticks = scene.setup.read("metrics.prom").matches("wca_up{").count();
            let mut other = scene.start();
            other.until_ticks("metrics.prom", ticks + 1);
            other.until("what was found is back", |_| scene.values() == scene.found);
            other.stop().ends_with(0);
        }
        scene.is_as_found(&what);
    }
}

/// What one policy asks for again and again, one value for each kind.
const STEADY: &str = "[cpu_shares 2, cpu_quota 0.25, cpuset_cpus 0, memory_max 1073741824]";

/// Nothing goes back by itself, however a process ends.
const KEEP: &str = "  on_exit: keep\n  on_failure: keep\n";

/// What stands in all files once that is in force, or kept for the next start.
fn asked(scene: &Scene) -> BTreeMap<PathBuf, String> {
    scene.configure("", STEADY);
    let mut wca = scene.start();
    wca.until("all files have changed", |_| scene.has_all_changed());
    let ticks = scene.setup.read("metrics.prom").matches("wca_up{").count();
    wca.until_ticks("metrics.prom", ticks + 3);
    let asked = scene.values();
    wca.stop().ends_with(0);
    scene.is_as_found("before the first kill");
    asked
}

/// The next start has the same policy, which asks in all of its calls or in the first ones alone, and not all of the tasks: it cannot
/// ask again for what it had asked of the others.
#[test]
fn a_start_with_the_same_policies_keeps_what_is_asked_for_again_and_gives_back_the_rest() {
    if !can_make_cgroups() {
        return;
    }
    let seed = seed();
    let mut random = Pcg64::seed_from_u64(seed);
    let scene = Scene::new("kept", 3);
    let asked = asked(&scene);
    for kill in 0..times() {
        let calls = if random.next_u32() % 2 == 0 { 0 } else { 3 };
        let which = random.next_u32() % 8;
        let (names, here): (Vec<&str>, Vec<&Task>) = (scene.names.iter().zip(&scene.tasks).enumerate())
            .filter(|(at, _)| which >> at & 1 == 1)
            .map(|(_, (name, task))| (name.as_str(), task))
            .unzip();
        let what = format!("kill {kill} of WCA_KILL_SEED={seed}, calls {calls}, then {names:?}");
        let changes = format!("{STEADY}, calls: {calls}");
        scene.configure(KEEP, &changes);
        let mut wca = scene.start();
        if random.next_u32() % 4 > 0 {
            wca.until("the first change", |_| scene.values() != scene.found);
        }
        a_moment(&mut random);
        // The agent first, so that the warden dies while nobody decides, or while another agent begins; or the warden alone.
        if random.next_u32() % 2 == 0 {
            kill_agents(&wca);
            a_moment(&mut random);
        }
        wca.signal(Signal::KILL);
        drop(wca);
        let left = scene.values();
        let stays: BTreeMap<PathBuf, String> =
            scene.values_of(&here).into_iter().filter(|(path, value)| asked[path] == *value).collect();

        scene.configure_for(&names, KEEP, &changes);
        let ticks = scene.setup.read("metrics.prom").matches("wca_up{").count();
        let mut other = scene.start();
        other.until("all ticks until values are given back", |setup| {
            for (path, value) in scene.values_of(&here).iter().filter(|(path, _)| stays.contains_key(*path)) {
                assert_eq!(*value, asked[path], "{what}: {}, which was to stay", path.display());
            }
            // `adopt_ticks` is 3.
            setup.read("metrics.prom").matches("wca_up{").count() >= ticks + 8
        });
        let ours = scene.values_of(&here);
        let expected = |path: &PathBuf| if ours.contains_key(path) { &asked[path] } else { &scene.found[path] };
        for (path, value) in scene.values() {
            let was = &left[&path];
            assert_eq!(value, *expected(&path), "{what}: {}, which was {was} after the kill", path.display());
        }
        other.stop().ends_with(0);
        assert_eq!(scene.values_of(&here), ours, "{what}: kept at the end");
        scene.operate("restore").ends_with(0);
        scene.is_as_found(&what);
    }
}
