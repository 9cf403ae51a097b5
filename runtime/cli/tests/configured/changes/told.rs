//! What the operator is told of values that are held.

use super::*;

#[test]
fn every_value_is_told_with_who_asked_for_it_and_what_was_there() {
    if !can_make_cgroups() {
        return;
    }
    let scene = Scene::new("told", 2);
    scene.configure("", "[cpu_shares 2]");
    let file = if scene.found.keys().any(|path| path.ends_with("cpu.shares")) { "cpu.shares" } else { "cpu.weight" };
    let first = scene.read(file);
    let mut wca = scene.start();
    wca.until("the shares are ours", |_| scene.read(file) != first);
    wca.until_ticks("metrics.prom", 3);
    let ours = scene.read(file);

    let journal = scene.operate("journal");
    let (file_shown, cgroup) = (scene.file(file), format!("/{}", scene.names[0].trim_start_matches('/')));
    assert!(
        journal.stdout.contains(&format!("{cgroup}\n  cpu_shares 2, asked for by Changer, written ")),
        "{journal:#?}"
    );
    let line = format!("    {}: {first} before, {ours} written\n", file_shown.display());
    assert!(journal.stdout.contains(&line), "{journal:#?}");
    assert_eq!(journal.stdout.matches("asked for by").count(), 2, "{journal:#?}");
    journal.ends_with(0);

    // One task by its cgroup and by its id are the same.
    for named in [cgroup.as_str(), scene.names[0].as_str()] {
        let explained = scene.operate_with("explain", &[named, "--json"]);
        assert!(explained.stdout.contains("\"policy\": \"Changer\""), "{named}: {explained:#?}");
        assert!(explained.stdout.contains(&format!("\"before\": \"{first}\"")), "{named}: {explained:#?}");
        assert_eq!(explained.stdout.matches("\"cgroup\"").count(), 1, "{named}: {explained:#?}");
        explained.ends_with(0);
    }
    let unknown = scene.operate_with("explain", &["nobody"]);
    unknown.says("wca: \"nobody\" is no cgroup, id or name of a task; `wca tasks` prints them");
    unknown.ends_with(1);

    // What a WCA that has died has left can be told and put back without another one.
    wca.signal(Signal::KILL);
    drop(wca);
    let left = scene.operate("journal");
    left.says("wca: no WCA runs; this is what an earlier one has left");
    assert_eq!(left.stdout.matches("asked for by Changer").count(), 2, "{left:#?}");
    let explained = scene.operate_with("explain", &[&cgroup]);
    assert_eq!(explained.stdout.matches("asked for by Changer").count(), 1, "{explained:#?}");
    let restored = scene.operate("restore");
    assert_eq!(restored.stdout, "2 put back, 0 gone with their cgroups or groups, 0 left to others, 0 not put back\n");
    restored.ends_with(0);
    scene.is_as_found("after restore");
}
