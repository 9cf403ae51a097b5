//! What is given back, until it is; and what is in force in truth.

use rstest::rstest;
use wca_model::Fate;

use super::plant::{Plant, hog, plain, service};
use super::{YAML, by_rdt, with, with_rdt};

/// A hog that is squeezed, and may not be squeezed any more while everything is frozen.
#[rstest]
#[case::frozen("frozen by the operator")]
#[case::all_or_nothing("another request of the batch failed, and all_or_nothing is set")]
fn what_cannot_be_given_back_is_asked_for_again_until_it_is(#[case] why: &str) {
    let mut plant = Plant::new(YAML, plain(), 1).with(&[service("s", 0.02, 0.5)], &[hog("h", 0.6), hog("g", 0.2)]);
    plant.quotas("h", 10);
    assert!(plant.quota("h") < 1.0);
    plant.fate = Fate::Failed(why.into());
    plant.scene.task("h").label("qos", "neither");
    plant.hogs.retain(|hog| hog.id != "h");
    let (mut asked, mut lines) = (0, Vec::new());
    for _ in 0..20 {
        let tick = plant.tick();
        asked += usize::from(tick.asked.contains(&"h cpu_quota release".into()));
        lines.extend(tick.lines);
    }
    assert!(plant.quota("h") < 1.0 && asked == 5, "{asked}");
    let told = format!("WARN a task that was best-effort: cpu_quota was not given back, which is tried again: {why}");
    assert_eq!(lines.iter().filter(|line| **line == told).count(), 1, "{lines:?}");
    plant.fate = Fate::Applied;
    let quotas = plant.quotas("h", 20);
    assert_eq!(quotas.last(), Some(&1.0), "{quotas:?}");
    assert!((0..100).all(|_| !plant.tick().asked.contains(&"h cpu_quota release".into())), "once is enough");
}

/// The operator, or a guard, has put back what tasks had: of all, or of one.
#[rstest]
#[case::of_all(&["h", "g"])]
#[case::of_one(&["g"])]
fn what_others_have_put_back_is_not_taken_again_by_a_step_back(#[case] of: &[&str]) {
    let yaml = with("levers: [rdt_l3]");
    let mut plant = Plant::new(&yaml, with_rdt(), 1).with(&[by_rdt(0.3, 0.0)], &[hog("h", 0.5), hog("g", 0.2)]);
    for _ in 0..30 {
        plant.tick();
    }
    assert!(plant.rdt("h").0 < 4 && plant.rdt("g") == plant.rdt("h"), "{:?}", plant.rdt("h"));
    plant.services[0].by_cache = 0.0;
    for id in of {
        plant.in_force(id).rdt.as_mut().unwrap().l3 = vec![(0, 0x7ff), (1, 0x7ff)];
    }
    for _ in 0..150 {
        plant.tick();
        assert!(of.iter().all(|id| plant.rdt(id).0 == 11), "{of:?}");
    }
    assert_eq!(plant.rdt("h").0, 11, "the rest is given back");
}

/// Half of a squeeze is undone: what is in force then is where the next step begins.
#[test]
fn what_is_in_force_is_where_the_next_step_begins() {
    let yaml = with("levers: [rdt_mb]");
    let mut plant = Plant::new(&yaml, with_rdt(), 1).with(&[by_rdt(0.0, 0.3)], &[hog("h", 0.5)]);
    for _ in 0..30 {
        plant.tick();
    }
    assert!(plant.rdt("h").1 <= 30, "{:?}", plant.rdt("h"));
    plant.services[0].by_bandwidth = 0.0;
    plant.in_force("h").rdt.as_mut().unwrap().mb = vec![(0, 70), (1, 70)];
    let limit = plant.tick().metric("pressure_allocator_limit", &[("kind", "rdt_mb")]);
    assert!(limit.is_some_and(|limit| limit >= 70.0), "{limit:?}");
    for _ in 0..150 {
        plant.tick();
        assert!(plant.rdt("h").1 >= 70, "{:?}", plant.rdt("h"));
    }
    assert_eq!(plant.rdt("h").1, 100);
}

/// A cliff: from 0.3 on the service waits, below it hardly does.
fn at_a_cliff(plant: &mut Plant) {
    plant.services[0].alone = if plant.quota("h") > 0.3 { 0.3 } else { 0.02 };
}

#[test]
fn without_a_signal_what_was_learned_before_keeps_nothing_back() {
    let mut plant = Plant::new(&with("forget: 20"), plain(), 1).with(&[service("s", 0.02, 0.0)], &[hog("h", 0.6)]);
    for _ in 0..400 {
        at_a_cliff(&mut plant);
        plant.tick();
    }
    assert!(plant.quota("h") < 0.31, "{}", plant.quota("h"));
    plant.services[0].is_seen = false;
    let quotas = plant.quotas("h", 70);
    assert_eq!(quotas.last(), Some(&1.0), "{quotas:?}");
}

/// Small tasks that come and go do not have the level tried again at which the pressure came back.
#[test]
fn tasks_that_come_and_go_do_not_make_it_swing() {
    let falls = |comes_and_goes: bool| {
        let mut plant = Plant::new(&with("forget: 20"), plain(), 1).with(&[service("s", 0.02, 0.0)], &[hog("h", 0.6)]);
        let mut falls = 0;
        for tick in 0..400 {
            at_a_cliff(&mut plant);
            if comes_and_goes {
                plant.end(&format!("small{}", tick - 1));
                plant.hogs.push(hog(&format!("small{tick}"), 0.001));
            }
            let before = plant.quota("h");
            plant.tick();
            falls += u32::from(plant.quota("h") < before);
        }
        falls
    };
    let (calm, churn) = (falls(false), falls(true));
    assert!(churn <= 2 * calm, "{churn} squeezes, {calm} without tasks that come and go");
}
