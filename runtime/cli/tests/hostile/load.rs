//! What is refused before anything of it runs.

use std::fs::File;

use crate::common::{Finished, Wca};
use crate::guests::{Guests, detector, importing};
use crate::told::{honest_did_not_notice, lines};

/// The one line about a file, without its path.
fn refusal(guests: &Guests, finished: &Finished, name: &str) -> String {
    let before = format!("wca: {}", guests.path(name).display());
    let about: Vec<String> = lines(finished)
        .into_iter()
        .filter_map(|line| Some(line.strip_prefix(&before)?.trim_start_matches([':', ' ']).to_owned()))
        .collect();
    assert_eq!(about.len(), 1, "{name}: {finished:#?}");
    about[0].clone()
}

/// Bytes that look random and are the same in every run.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..count).map(|_| next()).collect()
}

/// Files that are refused, each for another reason.
pub(crate) fn add_refused(guests: &mut Guests) {
    let import = |name: &str| importing(&format!("(import \"{name}\" (instance))"), "", "");
    guests.text("module", "(module)");
    guests.text("newer", &import("wca:policy/now@0.2.0"));
    guests.text("newest", &import("wca:policy/now@7.0.0"));
    let weather = "(import \"wca:policy/now@0.1.9\" (instance (export \"weather\" (func (result f64)))))";
    guests.text("patched", &importing(weather, "", ""));
    let http = "(import \"wasi:http/types@0.2.4\" (instance)) (import \"wasi:http/outgoing-handler@0.2.4\" (instance))";
    guests.text("grant", &importing(http, "", ""));
    guests.text("world", &import("wca:policy/plan@0.1.0"));
    guests.text("unknown", &import("wasi:nn/tensor@0.2.0"));
    let hundred: String = (0..100).map(|at| format!("(import \"x:y/i{at:03}@1.0.0\" (instance))")).collect();
    guests.text("hundred", &importing(&hundred, "", ""));
    guests.text("nothing", "(component)");
    guests.text("result", &detector("", "").replace("(result (result (error string)))", "(result u32)"));
    guests.text("both", &detector("", "").replace("(func (export \"detect\") (result (result", "(func (export \"allocate\") (result (result (error string))) (canon lift (core func $instance \"detect\") (memory $memory))) (func (export \"detect\") (result (result"));
    guests.bytes("empty", b"").bytes("random", &noise(100_000)).bytes("script", b"#!/bin/sh\n");
    guests.bytes("preamble", &[&b"\0asm\x0d\0\x01\0"[..], &noise(100_000)].concat());
    guests.bytes("encoding", b"\0asm\x0f\0\x01\0");
    let whole = wat::parse_str(detector("", "")).unwrap();
    guests.bytes("half", &whole[..whole.len() / 2]);
    let forged = "(func (export \"x\\n2026-01-01T00:00:00Z ERROR [Honest] forged\"))";
    guests.text("forged", &detector(&forged.repeat(2), ""));
}

/// What is said of each of them.
pub(crate) fn refused() -> Vec<(&'static str, String)> {
    let newer = |version: &str| {
        format!(
            "built for wca:policy {version} (it imports wca:policy/now@{version}); this agent speaks 0.1.0: run a newer \
             agent, or build the component against wit/policy.wit of this one"
        )
    };
    let same = [
        (
            "module",
            "it is a core WebAssembly module, not a component: `wasm-tools component new` makes a component of it, as does \
             a build for wasm32-wasip2",
        ),
        (
            "grant",
            "it imports wasi:http/outgoing-handler@0.2.4, wasi:http/types@0.2.4, for which it needs a grant: name the \
             origins that it may send requests to with `--allow-http ORIGIN`, such as `--allow-http \
             http://127.0.0.1:8000`",
        ),
        (
            "patched",
            "it cannot be linked: component imports instance `wca:policy/now@0.1.9`, but a matching implementation was not \
             found in the linker: instance export `weather` has the wrong type: function implementation is missing; it \
             needs wca:policy 0.1.9, this agent has 0.1.0",
        ),
        (
            "random",
            "it is no WebAssembly component: it starts with ad 76 36 74 ec 79 cf ea instead of 00 61 73 6d 0d 00 01 00",
        ),
        ("world", "it imports wca:policy/plan@0.1.0, which a detector does not get"),
        ("unknown", "it imports wasi:nn/tensor@0.2.0, which nothing here provides"),
        (
            "hundred",
            "it imports x:y/i000@1.0.0, x:y/i001@1.0.0, x:y/i002@1.0.0, x:y/i003@1.0.0, x:y/i004@1.0.0, x:y/i005@1.0.0, \
             x:y/i006@1.0.0, x:y/i007@1.0.0, x:y/i008@1.0.0, x:y/i009@1.0.0 and 90 more, which nothing here provides",
        ),
        (
            "nothing",
            "it is of no world: it exports nothing; a policy exports one of `detect`, `allocate`, `store`, `run` or \
             `wasi:cli/run`",
        ),
        (
            "result",
            "its export `detect` is not that of the world detector: it must be `detect: func() -> result<_, failure>`",
        ),
        ("both", "it is of several worlds: it exports allocate, detect; a component is one of them"),
        ("empty", "it is no WebAssembly component: it starts with nothing instead of 00 61 73 6d 0d 00 01 00"),
        (
            "script",
            "it is no WebAssembly component: it starts with 23 21 2f 62 69 6e 2f 73 instead of 00 61 73 6d 0d 00 01 00",
        ),
        ("encoding", "it is no valid component: its encoding is version 0f 00 01 00, the known one is 0d 00 01 00"),
        ("preamble", "it is no valid component: malformed section id (at offset 0x8)"),
        ("half", "it is no valid component: unexpected end-of-file (at offset 0x65)"),
        (
            "forged",
            "it is no valid component: duplicate export name `x\\n2026-01-01T00:00:00Z ERROR [Honest] forged` already \
             defined (at offset 0x63)",
        ),
    ];
    let same = same.map(|(name, told)| (name, told.to_owned()));
    [("newer", newer("0.2.0")), ("newest", newer("7.0.0"))].into_iter().chain(same).collect()
}

/// Panics unless this was said of them.
pub(crate) fn were_refused(guests: &Guests, finished: &Finished, expected: &[(&str, String)]) {
    for (name, expected) in expected {
        assert_eq!(refusal(guests, finished, name), *expected, "{name}");
    }
}

#[test]
fn what_is_no_component_of_this_contract_is_refused_with_its_reason() {
    let mut guests = Guests::beside_honest();
    add_refused(&mut guests);
    let paced = ["--continue-on-errors", "--interval", "300ms", "--iterations", "2"];
    let finished = Wca::new().run("run", &guests.arguments(&paced));
    finished.ends_with(1);
    honest_did_not_notice(&finished, 2);
    were_refused(&guests, &finished, &refused());
}

#[test]
fn what_would_be_refused_is_shown_without_a_failure() {
    let mut guests = Guests::none();
    let imports = "(import \"wasi:nn/tensor@0.2.0\" (instance)) (import \"wca:policy/plan@0.1.0\" (instance))";
    guests.text("refused", &importing(imports, "", "")).text("taken", &detector("", ""));
    let inspected = |more: &[&str], name: &str| {
        let path = guests.path(name).display().to_string();
        let finished = Wca::new().run("inspect", &[more, &[&path]].concat());
        finished.ends_with(0);
        finished.stdout
    };
    let unknown = "it imports wasi:nn/tensor@0.2.0, which nothing here provides";
    let another = "it imports wca:policy/plan@0.1.0, which a detector does not get";
    let lines = |text: &str| {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let at = lines.iter().position(|line| line.starts_with("refused:")).unwrap();
        lines[at..at + 2].to_vec()
    };
    let size = |text: &str| text.lines().find(|line| line.starts_with("size:")).unwrap().to_owned();
    let (refused, taken) = (inspected(&[], "refused"), inspected(&[], "taken"));
    assert_eq!(lines(&refused), [format!("refused:      {unknown}"), format!("              {another}")]);
    assert_eq!(lines(&taken), ["refused:      none".to_owned(), size(&taken)]);
    let json = inspected(&["--json"], "refused");
    let expected = format!("\"refused\": [\n    \"{unknown}\",\n    \"{another}\"\n  ]");
    assert!(json.contains(&expected), "{json}");
    assert!(inspected(&["--json"], "taken").contains("\"refused\": []"));
}

#[test]
fn one_refused_component_keeps_the_others_from_running_unless_asked() {
    let mut guests = Guests::beside_honest();
    guests.text("module", "(module)");
    let finished = Wca::new().run("run", &guests.arguments(&["--iterations", "1"]));
    finished.ends_with(1);
    assert_eq!(finished.stdout, "");
    assert!(refusal(&guests, &finished, "module").starts_with("it is a core WebAssembly module"));
}

#[test]
fn a_file_of_a_gigabyte_is_not_even_read() {
    let mut guests = Guests::beside_honest();
    guests.bytes("huge", b"");
    File::create(guests.path("huge")).unwrap().set_len(1 << 30).unwrap();
    let finished =
        Wca::new().run("run", &guests.arguments(&["--continue-on-errors", "--interval", "300ms", "--iterations", "2"]));
    finished.ends_with(1);
    honest_did_not_notice(&finished, 2);
    assert_eq!(
        refusal(&guests, &finished, "huge"),
        "has 1073741824 bytes: a component may have 268435456 (--limit component-size=1073741824 takes it)"
    );
}
