//! Compilers with limits, and what the cache keeps of them.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{As, USER, Warden, everybody, folder, skipped};

/// Components, each with what the compiler of the test shall do.
fn component(folder: &Arc<TempDir>, text: &str) -> String {
    let name = text.lines().next().unwrap();
    let path = folder.path().join(format!("{name}.wasm"));
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    path.display().to_string()
}

fn compiled(
    folder: &Arc<TempDir>,
    who: As,
    files: &[&str],
    mut config: Value,
    wanted: &[&str],
) -> (Vec<Value>, String) {
    let files: Vec<String> = files.iter().map(|text| component(folder, text)).collect();
    config["files"] = json!(files);
    let (lines, status, log) = Warden::start_in(folder, who, &[&["compile"], wanted].concat(), config, &[]).rest();
    assert!(status.success(), "{who:?}: {status}: {log}");
    (lines.into_iter().filter(|line| !line["compiled"].is_null()).collect(), log)
}

#[test]
fn each_limit_of_a_compiler_is_told_with_its_flag() {
    for who in everybody() {
        let limits = json!({
            "compile_memory": 200 << 20, "compile_millis": 1_500, "compile_output": 1 << 20, "component_size": 1_000,
        });
        let cases = [
            ("spin", "more than 1.5 s, the limit (--limit compile-time=4s raises it)"),
            ("sleep", "more than 1.5 s, the limit (--limit compile-time=4s raises it)"),
            ("memory", "more than 209715200 bytes of memory, the limit (--limit compile-memory=838860800 raises it)"),
            ("output", "it compiles to more than 1048576 bytes, the limit (--limit compile-output=4194304 raises it)"),
            ("refuse", ".wasm: offset 12: this is no component\u{fffd}[31m"),
            ("nothing", "its compiler has ended without machine code"),
            ("abort", "its compiler has been ended by SIGABRT and said nothing"),
            ("chatter", "chatter\\nchatter\\nchatter\\nchatter\\nchatt"),
        ];
        let files: Vec<&str> = cases.iter().map(|(file, _)| *file).collect();
        let numbers: Vec<String> = (0..cases.len()).map(|number| number.to_string()).collect();
        let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
        let folder = folder(who);
        let (lines, log) = compiled(&folder, who, &files, limits.clone(), &numbers);
        for ((file, expected), line) in cases.iter().zip(&lines) {
            let why = line["compiled"]["why"].as_str().unwrap_or_else(|| panic!("{file}: {line}: {log}"));
            assert!(why.contains(&format!("{file}.wasm: ")), "{who:?}: {why}");
            let matches =
                why.ends_with(expected) || (*file == "chatter" && why.contains(expected) && why.len() < 4_300);
            assert!(matches, "{who:?}: {why}");
        }
        assert_eq!(lines.len(), cases.len());
        let large = format!("code{}", " ".repeat(1_000));
        let (lines, _) = compiled(&folder, who, &[&large.replace("code", "code\n")], limits, &["0"]);
        let why = lines[0]["compiled"]["why"].as_str().unwrap();
        assert!(
            why.ends_with("has 1005 bytes: a component may have 1000 (--limit component-size=1005 takes it)"),
            "{why}"
        );
    }
}

#[test]
fn the_warden_serves_while_a_component_is_compiled() {
    for who in everybody() {
        let (lines, _) = compiled(&folder(who), who, &["slow"], json!({}), &["0"]);
        assert_eq!(lines[0]["meanwhile"], json!(true), "{who:?}: {lines:?}");
        assert_eq!(lines[0]["compiled"]["code"], json!("slow code"));
    }
}

#[test]
fn the_kernel_refuses_every_attack_of_a_compiler() {
    for who in everybody() {
        let (lines, _) = compiled(&folder(who), who, &["attack"], json!({}), &["0"]);
        let text = lines[0]["compiled"]["code"].as_str().unwrap();
        let attacks: Vec<(&str, i64)> = text
            .lines()
            .map(|line| line.rsplit_once(' ').map(|(name, errno)| (name, errno.parse().unwrap())).unwrap())
            .collect();
        assert!(attacks.len() > 90, "{attacks:?}");
        for (name, errno) in attacks {
            let expected = if ["openat2", "clone3"].contains(&name) { 38 } else { 1 };
            assert_eq!(errno, expected, "{who:?}: {name}");
        }
    }
}

#[test]
fn code_is_kept_and_found_and_not_asked_for_where_it_should_not() {
    for who in everybody() {
        let folder = folder(who);
        let config = json!({"cache_dir": folder.path().join("cache")});
        let seen = |wanted: &[&str]| {
            let (lines, log) = compiled(&folder, who, &["code"], config.clone(), wanted);
            let seen: Vec<Value> = lines.iter().map(|line| line["compiled"]["cached"].clone()).collect();
            assert!(lines.iter().all(|line| line["compiled"]["code"] == json!("code")), "{lines:?}: {log}");
            seen
        };
        assert_eq!(seen(&["0!"]), [json!(false)]);
        assert_eq!(seen(&["0"]), [json!(false)], "{who:?}: without the cache nothing is kept");
        assert_eq!(seen(&["0", "0"]), [json!(true), json!(true)], "{who:?}");
        assert_eq!(seen(&["0!"]), [json!(false)]);
    }
}

#[test]
fn a_folder_that_cannot_be_trusted_costs_the_cache_and_is_told() {
    for who in everybody() {
        let folder = folder(who);
        let path = folder.path().join("cache");
        let own = |path: &PathBuf| {
            if who == As::User && rustix::process::geteuid().is_root() {
                chown(path, Some(USER), Some(USER)).unwrap();
            }
        };
        let shown = path.display();
        let check = |expected: &str| {
            let config = json!({"cache_dir": path});
            for _ in 0..2 {
                let (lines, log) = compiled(&folder, who, &["code"], config.clone(), &["0", "0"]);
                for line in lines {
                    assert_eq!(
                        (&line["compiled"]["code"], &line["compiled"]["cached"]),
                        (&json!("code"), &json!(false))
                    );
                }
                let expected = format!("compiled code is not kept: {expected} (--cache-dir names another folder)");
                assert_eq!(log.matches(&expected).count(), 1, "{who:?}: {log}");
            }
        };
        fs::create_dir(&path).unwrap();
        own(&path);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        check(&format!("{shown} has mode 0777, so that others may use it; `chmod 700 {shown}` closes it"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        let real = folder.path().join("real");
        fs::rename(&path, &real).unwrap();
        symlink(&real, &path).unwrap();
        check(&format!("{shown} is a link; a real folder is taken"));
        fs::remove_file(&path).unwrap();
        if rustix::process::geteuid().is_root() {
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            chown(&path, Some(4_242), None).unwrap();
            let own = if who == As::Root { 0 } else { USER };
            check(&format!("{shown} belongs to the user 4242; it must belong to the user {own}"));
        } else {
            skipped("only root can give a folder away");
        }
    }
}

#[test]
fn an_entry_that_was_changed_is_told_and_compiled_anew() {
    for who in everybody() {
        let folder = folder(who);
        let path = folder.path().join("cache");
        let config = json!({"cache_dir": path});
        compiled(&folder, who, &["code"], config.clone(), &["0"]);
        let entry =
            fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.extension().is_some());
        let entry = entry.unwrap();
        let mut bytes = fs::read(&entry).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&entry, bytes).unwrap();
        let (lines, log) = compiled(&folder, who, &["code"], config.clone(), &["0"]);
        assert_eq!(lines[0]["compiled"]["cached"], json!(false));
        let shown = entry.display();
        let expected = format!("compiled code in {shown} is not taken: it is not what this user's WCA wrote there");
        assert!(log.contains(&expected), "{log}");
        let (lines, _) = compiled(&folder, who, &["code"], config, &["0"]);
        assert_eq!(lines[0]["compiled"]["cached"], json!(true));
    }
}
