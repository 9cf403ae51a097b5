//! What is seen on a machine whose second NUMA node has no memory. These run inside the test bed only.

use wca_model::{Change, Fate};

use crate::common::Scene;

#[test]
#[ignore = "runs inside the test bed"]
fn a_node_without_memory_is_refused_and_everything_is_as_it_was() {
    let mut scene = Scene::new("memoryless", |_| {});
    let memory: Vec<(u32, bool)> = scene.platform.nodes.iter().map(|node| (node.id, node.memory > 0)).collect();
    assert_eq!(memory, [(0, true), (1, false)]);
    let before = scene.all();
    for nodes in [vec![1], vec![0, 1]] {
        let Fate::Failed(why) = scene.apply(Change::CpusetMems(nodes)) else { panic!() };
        assert!(why.contains("NUMA node 1, which has no memory; with memory: 0"), "{why}");
    }
    assert_eq!(scene.all(), before);
    assert_eq!(scene.apply(Change::CpusetMems(vec![0])), Fate::Applied);
    assert_eq!(scene.get("task", "cpuset.mems.effective"), "0");
    assert_eq!((scene.control.restore().failed, scene.all()), (vec![], before));
}
