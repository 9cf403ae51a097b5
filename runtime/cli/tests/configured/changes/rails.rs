//! Rails around an allocator, on the cgroups of this machine.

use super::*;

#[test]
fn what_is_out_of_the_rails_is_clamped_or_refused_by_name_and_line() {
    if !can_make_cgroups() {
        return;
    }
    let scene = Scene::new("railed", 2);
    let rails = format!(
        "  rails:\n  - !Rail {{name: gentle, kinds: [cpu_shares, cpu_quota], ranges: {{cpu_shares: [2, 3]}}, clamp: true}}\n  - \
         !Rail {{name: hands off, tasks: {{task_id: '*{}'}}, kinds: []}}\n",
        scene.names[1].rsplit('/').next().unwrap()
    );
    scene.configure(&rails, "[cpu_shares 9, 'cpuset_cpus 0']");
    let file = if scene.found.keys().any(|path| path.ends_with("cpu.shares")) { "cpu.shares" } else { "cpu.weight" };
    let first = scene.read(file);
    let mut wca = scene.start();
    wca.until("the shares have changed", |_| scene.read(file) != first);
    wca.until_ticks("metrics.prom", 5);
    let explained = scene.operate("journal");
    let config = scene.setup.path("config.yaml");
    let told = format!("  cpu_shares 9, clamped by rail `gentle` ({}:3), asked for by Changer", config.display());
    assert!(explained.stdout.contains(&told), "{explained:#?}");
    assert_eq!(explained.stdout.matches("asked for by").count(), 1, "{explained:#?}");
    let finished = wca.stop();
    let place = config.display();
    finished.says(&format!("cpu_shares: adjusted: 3, clamped by rail `gentle` ({place}:3)"));
    finished.says(&format!(
        "cpuset_cpus: rail `gentle` ({place}:3): cpuset_cpus is not allowed; allowed: cpu_quota, cpu_shares"
    ));
    finished.says(&format!("cpu_shares: rail `hands off` ({place}:4): cpu_shares is not allowed; none is"));
    finished.ends_with(0);
    scene.is_as_found("after the end");
}
