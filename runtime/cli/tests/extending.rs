//! docs/extending.md is true: its commands are run in their order, and say what stands there; its code is that of the files.
//! The configurations that it leads to run as they stand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use common::server::{OK, server};
use common::{Finished, Wca, repository};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const HTTP_CONFIG: &str = "configs/extending/measurement_http_storage.yaml";

/// A fenced block of the page: what stands behind the fence, and its text.
struct Block {
    kind: String,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let (mut blocks, mut open) = (Vec::new(), None::<Block>);
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => block.text.extend([line, "\n"]),
            (None, Some(kind)) => open = Some(Block { kind: kind.into(), text: String::new() }),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fence is not closed");
    blocks
}

/// Where the page's commands run: `wca` is the built program, the port is one that a server listens at, and everything else
/// is the repository.
struct Shell {
    folder: TempDir,
    port: String,
}

impl Shell {
    fn new(port: &str) -> Self {
        let shell = Self { folder: tempfile::tempdir().unwrap(), port: port.into() };
        let program = shell.path("bin/wca");
        fs::create_dir(Path::new(&program).parent().unwrap()).unwrap();
        let (wca, run, cache) = (env!("CARGO_BIN_EXE_wca"), shell.path("run"), shell.path("cache"));
        fs::write(&program, format!("#!/bin/sh\nexec '{wca}' \"$@\" --run-dir '{run}' --cache-dir '{cache}'\n"))
            .unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        // The storage's own default is the port of the page.
        let config = fs::read_to_string(repository(HTTP_CONFIG)).unwrap();
        let posts = format!("!HTTPStorage\n    http_endpoint: http://127.0.0.1:{port}\n");
        let config = config.replace("8000", port).replace("!HTTPStorage\n", &posts);
        fs::write(shell.path("http.yaml"), config).unwrap();
        shell
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// A command of the page, not yet started.
    fn command(&self, text: &str) -> Command {
        let text = text.replace("8000", &self.port).replace(HTTP_CONFIG, &self.path("http.yaml"));
        let mut command = Command::new("bash");
        let path = format!("{}:{}", self.path("bin"), std::env::var("PATH").unwrap());
        command.args(["-euo", "pipefail", "-c", &text]).env("PATH", path).env("TMPDIR", self.folder.path());
        command.current_dir(repository(".")).stdin(Stdio::null());
        // What cargo tells a test of its own package is not for the cargo that the page calls.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO_PKG_")) {
            command.env_remove(name);
        }
        command
    }

    /// What was written, with the port of the page.
    fn shown(&self, text: &str) -> String {
        text.replace(&self.port, "8000")
    }

    /// Runs a command to its end.
    fn run(&self, text: &str) -> Finished {
        let output = self.command(text).output().unwrap();
        Finished::of(&output)
    }

    /// Runs a command until it has written this, then interrupts it.
    fn run_until(&self, text: &str, mark: &str) -> Finished {
        let mut child = self.command(text).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut stderr = String::new();
        while !stderr.contains(mark) {
            assert_ne!(lines.read_line(&mut stderr).unwrap(), 0, "it has ended without {mark}: {stderr}");
        }
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        lines.read_to_string(&mut stderr).unwrap();
        let mut stdout = String::new();
        child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        Finished { code: child.wait().unwrap().code(), stdout, stderr }
    }
}

/// Whether a text is the one of the page, where `…` stands for anything.
fn matches(text: &str, page: &str) -> bool {
    let mut parts = page.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Lines of the log without their time, which is no other line's.
fn without_times(text: &str) -> String {
    let line = |line: &str| match line.split_once("Z ") {
        Some((time, rest)) if time.len() == 26 && time.starts_with("20") => rest.to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// A request with `0` for each number.
fn without_numbers(text: &str) -> String {
    let mut shown = String::new();
    let mut digits = false;
    for character in text.replace("\r\n", "\n").trim().chars() {
        let is_number = character.is_ascii_digit() || (digits && character == '.');
        if !is_number {
            shown.push(character);
        } else if !digits {
            shown.push('0');
        }
        digits = is_number;
    }
    shown
}

#[test]
fn every_block_of_the_page_does_what_stands_there() {
    let (origin, posts) = server(None);
    let shell = Shell::new(origin.rsplit(':').next().unwrap());
    let page = fs::read_to_string(repository("docs/extending.md")).unwrap();
    let (mut last, mut count) = (None::<Finished>, 0);
    for Block { kind, text } in blocks(&page) {
        count += 1;
        match kind.split_once(' ').unwrap_or((&kind, "")) {
            ("sh", "") => {
                let finished = shell.run(&text);
                assert_eq!(finished.code, Some(0), "{text}{finished:#?}");
                last = Some(finished);
            }
            ("sh", "fails") => {
                let finished = shell.run(&text);
                assert_eq!(finished.code, Some(1), "{text}{finished:#?}");
                last = Some(finished);
            }
            // The one that listens already prints as little as it answers.
            ("sh", "server") => assert_eq!(text, "socat - tcp4-listen:8000,fork\n"),
            ("sh", "until-interrupted") => {
                let finished = shell.run_until(&text, "timeout!");
                finished.ends_with(0);
                // What comes between the mark and the end is the same again.
                let lines = finished.stderr.lines().filter(|line| line.contains("[HTTPStorage]"));
                let two: Vec<&str> = lines.take(2).collect();
                last = Some(Finished { stderr: two.join("\n"), ..finished });
            }
            ("text", "") => {
                let finished = last.as_ref().expect("a text stands behind a command");
                let found = without_times(shell.shown(&format!("{}{}", finished.stdout, finished.stderr)).trim_end());
                let expected = without_times(text.trim_end());
                assert!(matches(&found, &expected), "expected: {expected}\nfound: {found}");
            }
            ("text", "request") => {
                let post = posts.recv_timeout(Duration::from_secs(10)).unwrap();
                let (found, expected) = (without_numbers(&shell.shown(&post)), without_numbers(&text));
                assert!(matches(&found, &expected), "expected: {expected}\nfound: {found}");
            }
            // In other words, and nothing that could be run.
            ("rust", "") => {}
            ("rust", path) if path.starts_with("part ") => {
                let path = path.trim_start_matches("part ");
                let file = fs::read_to_string(repository(path)).unwrap();
                assert!(file.contains(&text), "{path} has no\n{text}");
            }
            ("rust" | "yaml", path) => assert_eq!(fs::read_to_string(repository(path)).unwrap(), text, "{path}"),
            ("wit", path) => {
                let file = fs::read_to_string(repository(path)).unwrap();
                assert!(file.contains(&text), "{path} has no\n{text}");
            }
            other => panic!("a block of the kind {other:?}"),
        }
    }
    assert_eq!(count, 24, "no block was lost to a wrong fence");
}

/// The members of the JSON object of one post.
fn members(posts: &Receiver<String>) -> Vec<(String, f64)> {
    let post = posts.recv_timeout(Duration::from_secs(10)).unwrap();
    let body = post.split("\r\n\r\n").nth(1).unwrap();
    let inside = body.strip_prefix('{').and_then(|body| body.strip_suffix('}')).expect(body);
    let member = |member: &str| {
        let (name, value) = member.split_once(": ").expect(member);
        (name.trim_matches('"').to_owned(), value.parse().expect(member))
    };
    inside.split(", ").map(member).collect()
}

#[test]
fn a_service_that_answers_gets_the_metrics_of_each_interval() {
    let (origin, posts) = server(Some(OK));
    let shell = Shell::new(origin.rsplit(':').next().unwrap());
    let command = format!(
        "wca -c {HTTP_CONFIG} -r HTTPStorage=guest-examples/http-storage/http-storage.wasm --root --iterations 2"
    );
    let finished = shell.run(&command);
    finished.ends_with(0);
    assert_eq!(finished.stderr.matches("[HTTPStorage] sending!").count(), 2, "{finished:#?}");
    assert!(!finished.stderr.contains("timeout!") && !finished.stderr.contains("unavailable"), "{finished:#?}");
    let mut times = Vec::new();
    for _ in 0..2 {
        let members = members(&posts);
        let value = |name: &str| {
            members.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("{name}: {members:?}")).1
        };
        assert_eq!(value("wca_tasks").to_bits(), 0.0f64.to_bits());
        assert!(value("platform_mem_usage_bytes") > 1e6);
        times.push(value("wca_up"));
    }
    let apart = times[1] - times[0];
    assert!((0.5..30.0).contains(&apart), "{times:?}");
}

/// Its file, below the heading of that name.
#[test]
fn the_file_of_the_readme_runs_as_it_stands_there() {
    let page = fs::read_to_string(repository("README.md")).unwrap();
    let (_, below) = page.split_once("## Run it from a file\n").unwrap();
    let Block { kind, text } = blocks(below).into_iter().next().unwrap();
    assert_eq!(kind, "sh");
    let shell = Shell::new("1");
    let finished = shell.run(&text.replace("target/release/wca", "wca"));
    finished.ends_with(0);
    let says = format!("{}: nothing is wrong\n", shell.path("wca.yaml"));
    let stored = finished.stdout.strip_prefix(&says).unwrap_or_else(|| panic!("{finished:#?}"));
    assert!(stored.contains("\nwca_policy_calls{") && stored.contains("\nwca_tasks{"), "{finished:#?}");
    assert_eq!(finished.stderr.matches("# TYPE anomaly_count counter").count(), 3, "{finished:#?}");
}

/// Files of a folder and of those in it.
fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[test]
fn every_configuration_runs_as_its_first_line_says() {
    let mut found = Vec::new();
    files(&repository("configs"), &mut found);
    found.retain(|path| path.extension().is_some_and(|end| end == "yaml"));
    assert!(found.len() >= 5, "{found:?}");
    let texts: Vec<String> = found.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    for (path, text) in found.iter().zip(&texts) {
        // What another one names as an argument is checked with that one.
        let name = path.strip_prefix(repository(".")).unwrap_or(path).display().to_string();
        if texts.iter().any(|other| other.lines().any(|line| line.ends_with(&format!("config: {name}")))) {
            continue;
        }
        let line =
            text.lines().next().and_then(|line| line.strip_prefix("# wca ")).expect("the first line says how it runs");
        let words: Vec<&str> = line.split(' ').collect();
        assert!(words.contains(&"--root"), "{line}");
        let words: Vec<&str> = words.into_iter().filter(|word| *word != "--root").collect();
        assert!(path.ends_with(words[1]), "{line}");
        let output = Wca::new().command("check", &words).current_dir(repository(".")).output().unwrap();
        let finished = Finished::of(&output);
        finished.ends_with(0);
        assert_eq!(finished.stdout, format!("{}: nothing is wrong\n", words[1]));
    }
}
