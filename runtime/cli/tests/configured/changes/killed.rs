//! Processes that are killed at any moment: what was found always comes back.

use rand_core::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg64;
use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;

use super::{CHANGES, Scene};
use crate::task::can_make_cgroups;

/// How often; `.ci/full` wants more.
fn times() -> u32 {
    std::env::var("WCA_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(9)
}

#[test]
fn whatever_is_killed_when_what_was_found_comes_back() {
    if !can_make_cgroups() {
        return;
    }
    let seed = std::env::var("WCA_KILL_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
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
        std::thread::sleep(Duration::from_micros(u64::from(random.next_u32() % 60_000)));
        let agent = wca_kernel::children(wca.pid()).unwrap_or_default();
        if kills_agent > 0 {
            for child in agent.iter().filter_map(|pid| Pid::from_raw(i32::try_from(*pid).unwrap())) {
                // It may have been a compiler that has ended.
                let _ = kill_process(child, Signal::KILL);
            }
        }
        if kills_agent == 1 {
            // The warden goes on, with another agent; asked to end, it puts everything back.
            std::thread::sleep(Duration::from_micros(u64::from(random.next_u32() % 60_000)));
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
