//! What an attacker or a broken disk can do to a folder, case by case.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::skipped::skipped;

const CODE: &[u8] = b"machine code";
const MOST: u64 = 1 << 20;

struct Fixture {
    _temp: TempDir,
    path: PathBuf,
    folder: Rc<Folder>,
}

fn key(number: u8) -> Key {
    Key::new(&[number; 32], &[0; 32])
}

impl Fixture {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("cache");
        let folder = Rc::new(Folder::open(&path).unwrap());
        let fixture = Self { _temp: temp, path, folder };
        fixture.keep(key(1), CODE);
        fixture
    }

    fn keep(&self, key: Key, code: &[u8]) {
        let code = wca_messages::seal("code", &[code]).unwrap();
        let mut writing = Writing::new(&self.folder, key, code).unwrap();
        while !writing.step().unwrap() {}
    }

    fn find(&self, key: Key) -> Option<Vec<u8>> {
        let mut looked = Reading::find(&self.folder, key, MOST);
        loop {
            looked = match looked {
                Looked::Miss => return None,
                Looked::Hit(memory) => return Some(wca_messages::read_sealed(&memory, 1 << 30).unwrap()),
                Looked::Reading(reading) => reading.step(),
            }
        }
    }

    fn entry(&self, key: Key) -> PathBuf {
        self.path.join(key.file_name())
    }
}

#[test]
fn what_was_kept_is_found_by_another_warden_too() {
    let fixture = Fixture::new();
    assert_eq!(fixture.find(key(1)).unwrap(), CODE);
    assert_eq!(fixture.find(key(2)), None);
    let again = Rc::new(Folder::open(&fixture.path).unwrap());
    assert_eq!(Fixture { folder: again, ..fixture }.find(key(1)).unwrap(), CODE);
}

#[test]
fn code_of_several_pieces_is_found_whole() {
    let fixture = Fixture::new();
    let code: Vec<u8> = (0..9 << 20).map(|at: u32| at.to_le_bytes()[1]).collect();
    fixture.keep(key(3), &code);
    let mut looked = Reading::find(&fixture.folder, key(3), 1 << 30);
    let mut steps = 0;
    let found = loop {
        looked = match looked {
            Looked::Miss => panic!("it was kept"),
            Looked::Hit(memory) => break wca_messages::read_sealed(&memory, 1 << 30).unwrap(),
            Looked::Reading(reading) => {
                steps += 1;
                reading.step()
            }
        }
    };
    assert!(found == code && steps == 4, "{steps} steps");
}

#[test]
fn entries_that_somebody_has_touched_are_removed_and_compiled_anew() {
    type Harm = fn(&Fixture, &Path);
    let cases: [(&str, Harm); 9] = [
        ("a byte of the code changed", |_, entry| {
            let mut bytes = fs::read(entry).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(entry, bytes).unwrap();
        }),
        ("swapped with another entry", |fixture, entry| {
            fixture.keep(key(2), b"other  code!");
            fs::copy(fixture.entry(key(2)), entry).unwrap();
        }),
        ("the other entry's bytes under this entry's header", |fixture, entry| {
            fixture.keep(key(2), b"other  code!");
            let mut bytes = fs::read(entry).unwrap();
            bytes.truncate(HEADER);
            bytes.extend(&fs::read(fixture.entry(key(2))).unwrap()[HEADER..]);
            fs::write(entry, bytes).unwrap();
        }),
        ("cut short", |_, entry| {
            let bytes = fs::read(entry).unwrap();
            fs::write(entry, &bytes[..bytes.len() - 3]).unwrap();
        }),
        ("cut short in its header", |_, entry| fs::write(entry, b"wcacode1").unwrap()),
        ("empty", |_, entry| fs::write(entry, b"").unwrap()),
        ("too large", |_, entry| {
            fs::OpenOptions::new().write(true).open(entry).unwrap().set_len(MOST + 1000).unwrap();
        }),
        ("a link to a copy of itself", |fixture, entry| {
            let real = fixture.path.join("real");
            fs::rename(entry, &real).unwrap();
            symlink(&real, entry).unwrap();
        }),
        ("of a folder with another key", |fixture, entry| {
            let other = Fixture::new();
            fs::copy(other.entry(key(1)), entry).unwrap();
            assert!(fixture.path != other.path);
        }),
    ];
    for (what, harm) in cases {
        let fixture = Fixture::new();
        let entry = fixture.entry(key(1));
        harm(&fixture, &entry);
        assert_eq!(fixture.find(key(1)), None, "{what}");
        assert!(fs::symlink_metadata(&entry).is_err(), "{what}: it stays");
        fixture.keep(key(1), b"anew");
        assert_eq!(fixture.find(key(1)).unwrap(), b"anew", "{what}");
    }
}

#[test]
fn an_entry_of_somebody_else_is_not_taken() {
    if !rustix::process::geteuid().is_root() {
        skipped("only root can give a file away");
        return;
    }
    let fixture = Fixture::new();
    chown(fixture.entry(key(1)), Some(4242), None).unwrap();
    assert_eq!(fixture.find(key(1)), None);
}

#[test]
fn a_folder_or_file_in_the_place_of_an_entry_costs_only_the_entry() {
    let fixture = Fixture::new();
    fs::remove_file(fixture.entry(key(1))).unwrap();
    fs::create_dir(fixture.entry(key(1))).unwrap();
    assert_eq!(fixture.find(key(1)), None);
}

#[test]
fn a_key_that_others_could_know_is_made_anew() {
    type Harm = fn(&Path);
    let cases: [(&str, Harm); 3] = [
        ("readable by others", |key| fs::set_permissions(key, fs::Permissions::from_mode(0o644)).unwrap()),
        ("a link", |key| {
            let elsewhere = key.with_extension("elsewhere");
            fs::rename(key, &elsewhere).unwrap();
            symlink(&elsewhere, key).unwrap();
        }),
        ("cut short", |key| fs::write(key, [0; 5]).unwrap()),
    ];
    for (what, harm) in cases {
        let fixture = Fixture::new();
        let path = fixture.path.join("key");
        let before = fs::read(&path).unwrap();
        harm(&path);
        let fixture = Fixture { folder: Rc::new(Folder::open(&fixture.path).unwrap()), ..fixture };
        assert_ne!(fs::read(&path).unwrap(), before, "{what}");
        assert_eq!(path.symlink_metadata().unwrap().permissions().mode() & 0o7777, 0o600, "{what}");
        assert_eq!(fixture.find(key(1)), None, "{what}");
    }
}

#[test]
fn what_is_not_finished_leaves_nothing_behind() {
    let fixture = Fixture::new();
    let code = wca_messages::seal("code", &[CODE]).unwrap();
    let mut writing = Writing::new(&fixture.folder, key(7), code).unwrap();
    assert!(!writing.step().unwrap());
    assert_eq!(fs::read_dir(&fixture.path).unwrap().count(), 3);
    drop(writing);
    assert_eq!(fs::read_dir(&fixture.path).unwrap().count(), 2);
    assert_eq!(fixture.find(key(7)), None);
}
