//! What is seen on a machine with four RMIDs, of which the root group has one. These run inside the test bed only.

use std::thread::sleep;
use std::time::Duration;

use crate::common::tick::{Tick, tick};
use crate::scene::{Busy, ours, rows, sampler, told, until};

#[test]
#[ignore = "runs inside the test bed"]
fn tasks_without_an_id_are_named_once_and_get_one_that_is_freed() {
    let all: Vec<Busy> = (0..5).map(|at| Busy::start(&format!("few{at}"), 1)).collect();
    let mut tasks: Vec<&Busy> = all.iter().collect();
    let mut sampler = sampler(Some(true), &tasks);
    let measured = |tick: &Tick| tick.of("task_mem_bandwidth_bytes").iter().map(Option::is_some).collect::<Vec<_>>();
    let first = tick(&mut sampler);
    assert_eq!(measured(&first), [true, true, true, false, false]);
    let [sentence] = told(&first).try_into().unwrap();
    assert!(sentence.contains("not measured of \"/few3\", \"/few4\": no monitoring id"), "{sentence}");
    for _ in 0..20 {
        let values = tick(&mut sampler);
        assert_eq!((measured(&values), told(&values)), (vec![true, true, true, false, false], vec![]));
        sleep(Duration::from_millis(20));
    }
    tasks.remove(1);
    sampler.set_tasks(&rows(&tasks));
    // The kernel keeps an RMID back for as long as the cache remembers it.
    let values = until(&mut sampler, |tick| measured(tick) == [true, true, true, false]);
    assert_eq!((told(&values).len(), ours("").len()), (0, 3));
}
