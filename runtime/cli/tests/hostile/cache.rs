//! Compiled code is trusted code: what of a cache is not taken, and what the user is told instead.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::common::{Finished, Wca, component, skipped};
use crate::told::lines;

const HELLO: &str = "guest-examples/hello/hello.wasm";
const BUSY: &str = "guest-examples/busy-task/busy-task.wasm";

/// A cache folder in a folder of the test.
struct Place {
    temp: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { temp: tempfile::tempdir().unwrap() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }
}

/// Runs the greeting with this cache: it greets, whatever the cache is like.
fn greeted(cache: &Path) -> Finished {
    let finished = Wca::new().run("run", &["--component", &component(HELLO), "--cache-dir", cache.to_str().unwrap()]);
    finished.ends_with(0);
    assert_eq!(finished.stdout, "Hello world!\n");
    finished
}

/// A cache with the code of one component, and the file of that code.
fn filled(cache: &Path, of: &str) -> PathBuf {
    let before = entries(cache);
    let finished = Wca::new().run("inspect", &[&component(of), "--cache-dir", cache.to_str().unwrap()]);
    finished.ends_with(0);
    let mut new = entries(cache);
    new.retain(|entry| !before.contains(entry));
    assert_eq!(new.len(), 1, "{finished:#?}");
    new.remove(0)
}

fn entries(cache: &Path) -> Vec<PathBuf> {
    let Ok(files) = fs::read_dir(cache) else { return Vec::new() };
    files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "code")).collect()
}

/// One entry is not taken, for this reason; it is made anew, and taken the next time.
fn entry_is_not_taken(cache: &Path, entry: &Path, why: &str) {
    let told = format!("WARN compiled code in {} is not taken: {why}; it is compiled anew", entry.display());
    assert_eq!(lines(&greeted(cache)), [told]);
    assert!(entry.symlink_metadata().unwrap().is_file());
    assert_eq!(lines(&greeted(cache)), Vec::<String>::new());
}

/// What becomes of the entries of honest components in a cache that somebody has been at: the components, and what is said.
pub(crate) fn spoiled(cache: &Path) -> (Vec<String>, Vec<String>) {
    let told = |entry: &Path, why: &str| {
        format!("WARN compiled code in {} is not taken: {why}; it is compiled anew", entry.display())
    };
    let components = [
        "tests/guests/honest/honest.wasm",
        "components/nop-detector/nop-detector.wasm",
        BUSY,
        "guest-sdk/detectors/rust/rust.wasm",
    ];
    let [honest, nop, busy, rust] = components.map(|path| filled(cache, path));
    let mut expected = Vec::new();
    // Of another component.
    fs::copy(&nop, &honest).unwrap();
    expected.push(told(&honest, "it is of another component or another version of WCA"));
    // Changed.
    let mut code = fs::read(&nop).unwrap();
    let last = code.len() - 1;
    code[last] ^= 1;
    fs::write(&nop, &code).unwrap();
    expected.push(told(&nop, "it is not what this user's WCA wrote there"));
    // Behind a link.
    let elsewhere = cache.join("elsewhere");
    fs::rename(&busy, &elsewhere).unwrap();
    symlink(&elsewhere, &busy).unwrap();
    expected.push(told(&busy, "it is a link"));
    // Of another owner, or cut short.
    if chown(&rust, Some(4242), None).is_ok() {
        expected.push(told(&rust, "it belongs to the user 4242, not 0"));
    } else {
        fs::write(&rust, &code[..7]).unwrap();
        expected.push(told(&rust, "it was cut short or grew"));
    }
    (components.map(component).to_vec(), expected)
}

#[test]
fn an_entry_of_another_component_is_not_taken() {
    let place = Place::new();
    let cache = place.at("cache");
    let (hello, busy) = (filled(&cache, HELLO), filled(&cache, BUSY));
    fs::copy(busy, &hello).unwrap();
    entry_is_not_taken(&cache, &hello, "it is of another component or another version of WCA");
}

#[test]
fn an_entry_that_somebody_else_wrote_is_not_taken() {
    let place = Place::new();
    let (cache, other) = (place.at("cache"), place.at("other"));
    let (hello, planted) = (filled(&cache, HELLO), filled(&other, HELLO));
    assert_eq!(hello.file_name(), planted.file_name());
    fs::copy(planted, &hello).unwrap();
    entry_is_not_taken(&cache, &hello, "it is not what this user's WCA wrote there");
}

#[test]
fn an_entry_that_was_changed_is_not_taken() {
    let place = Place::new();
    let cache = place.at("cache");
    let hello = filled(&cache, HELLO);
    let mut code = fs::read(&hello).unwrap();
    let last = code.len() - 1;
    code[last] ^= 1;
    fs::write(&hello, &code).unwrap();
    entry_is_not_taken(&cache, &hello, "it is not what this user's WCA wrote there");
    fs::write(&hello, &code[..last]).unwrap();
    entry_is_not_taken(&cache, &hello, "it was cut short or grew");
    fs::write(&hello, b"").unwrap();
    entry_is_not_taken(&cache, &hello, "it was cut short or grew");
}

#[test]
fn an_entry_behind_a_link_is_not_taken() {
    let place = Place::new();
    let cache = place.at("cache");
    let hello = filled(&cache, HELLO);
    let elsewhere = place.at("elsewhere");
    fs::rename(&hello, &elsewhere).unwrap();
    symlink(&elsewhere, &hello).unwrap();
    entry_is_not_taken(&cache, &hello, "it is a link");
}

/// The folder is not taken, for this reason, and left as it is.
fn folder_is_not_taken(cache: &Path, why: &str) {
    let told = format!("WARN compiled code is not kept: {} {why} (--cache-dir names another folder)", cache.display());
    assert_eq!(lines(&greeted(cache)), [told]);
}

#[test]
fn a_folder_that_others_may_use_is_not_taken() {
    let place = Place::new();
    let cache = place.at("cache");
    filled(&cache, HELLO);
    for mode in [0o777, 0o755, 0o710] {
        fs::set_permissions(&cache, Permissions::from_mode(mode)).unwrap();
        let shown = cache.display();
        let why = format!("has mode {mode:04o}, so that others may use it; `chmod 700 {shown}` closes it");
        folder_is_not_taken(&cache, &why);
    }
    // As it says.
    fs::set_permissions(&cache, Permissions::from_mode(0o700)).unwrap();
    assert_eq!(lines(&greeted(&cache)), Vec::<String>::new());
}

#[test]
fn a_folder_behind_a_link_is_not_taken() {
    let place = Place::new();
    let (cache, link) = (place.at("cache"), place.at("link"));
    filled(&cache, HELLO);
    symlink(&cache, &link).unwrap();
    folder_is_not_taken(&link, "is a link; a real folder is taken");
}

#[test]
fn a_folder_or_an_entry_of_another_owner_is_not_taken() {
    let place = Place::new();
    let cache = place.at("cache");
    let hello = filled(&cache, HELLO);
    if chown(&hello, Some(4242), None).is_err() {
        skipped("a cache of another owner: only root can give files away");
        return;
    }
    entry_is_not_taken(&cache, &hello, "it belongs to the user 4242, not 0");
    chown(&cache, Some(4242), None).unwrap();
    folder_is_not_taken(&cache, "belongs to the user 4242; it must belong to the user 0");
}

#[test]
fn a_key_that_others_may_read_is_made_anew() {
    let place = Place::new();
    let cache = place.at("cache");
    let hello = filled(&cache, HELLO);
    let key = cache.join("key");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let told = [
        format!(
            "WARN {}: it has mode 0644, so that others may use it; a new key is made, and all code is compiled anew",
            key.display()
        ),
        format!(
            "WARN compiled code in {} is not taken: it is not what this user's WCA wrote there; it is compiled anew",
            hello.display()
        ),
    ];
    assert_eq!(lines(&greeted(&cache)), told);
    assert_eq!(lines(&greeted(&cache)), Vec::<String>::new());
}
