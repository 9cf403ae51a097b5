//! What the agent of a test does.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::json;
use wca_agent::confine::confine_agent;
use wca_messages::{MappedColumns, Reply, Request};
use wca_model::{Change, Fate};

use crate::connection::Connection;
use crate::{attacks, messages, say};

pub(crate) fn run(verb: &str, rest: &[&str]) -> ExitCode {
    if verb == "exit" {
        return ExitCode::from(rest[0].parse::<u8>().expect("a code"));
    }
    // Without the filter, to see what user and capabilities alone keep out.
    if verb != "attack-unfiltered" {
        let confinement = confine_agent().expect("confinement");
        say(&json!({"uid": confinement.uid}));
    }
    let mut warden = Connection::take();
    match verb {
        "attack" | "attack-unfiltered" => {
            warden.greet();
            attacks::run(&mut warden, rest);
            // It still serves.
            let served = matches!(warden.ask(&Request::Tree).message, Reply::Tree { .. });
            say(&json!({"served": served}));
        }
        "messages" => messages::run(&mut warden),
        "flood" => flood(&mut warden),
        "tick" => tick(&mut warden, Duration::from_millis(5)),
        "fall-silent" => fall_silent(&mut warden),
        "look" => {
            warden.greet();
            look();
        }
        "ignore-stop" => {
            warden.greet();
            say(&json!({"ready": true}));
            std::thread::sleep(Duration::from_secs(600));
        }
        "apply-until-frozen" => apply_until_frozen(&mut warden),
        "hoard" => hoard(&mut warden),
        "compile" => compile(&mut warden, rest),
        other => panic!("no verb {other}"),
    }
    ExitCode::SUCCESS
}

/// What was left to it.
fn look() {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("a line");
        line.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let open = std::fs::read_dir("/proc/self/fd").expect("descriptors").flatten();
    let mut descriptors: Vec<String> = open.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    descriptors.sort();
    let stat = std::fs::read_to_string("/proc/self/stat").expect("a line");
    // After the name: state, parent, group, session.
    let session = stat.rsplit(')').next().and_then(|rest| rest.split_ascii_whitespace().nth(3)).expect("a session");
    say(&json!({
        // One more is the folder that is being read.
        "descriptors": descriptors[..descriptors.len() - 1],
        "environment": std::env::vars().map(|(name, _)| name).collect::<Vec<_>>(),
        "groups": line("Groups"),
        "users": line("Uid"),
        "bounding": line("CapBnd"),
        "name": line("Name"),
        "folder": std::env::current_dir().expect("a folder"),
        "leads its session": session == std::process::id().to_string(),
        "core": rustix::process::getrlimit(rustix::process::Resource::Core).maximum,
        "stdin is a socket": std::fs::read_link("/proc/self/fd/0").expect("a link").to_string_lossy().starts_with("socket:"),
    }));
}

/// Samples until the warden wants an end. Says the keys of its tasks first.
fn tick(warden: &mut Connection, interval: Duration) {
    let ticks = warden.greet();
    assert_eq!(warden.ask(&Request::Begin).message, Reply::Begun);
    let keys = warden.roster();
    say(&json!({"ticks": ticks, "keys": keys.iter().map(|(path, key)| (path, key.0)).collect::<Vec<_>>()}));
    while !warden.stop {
        let sample = warden.ask(&Request::Sample);
        let columns = MappedColumns::new(&sample.descriptors[0]).expect("columns");
        assert_eq!(columns.header().rows as usize, keys.len());
        std::thread::sleep(interval);
    }
    say(&json!({"stopped": true}));
}

/// Asks for the same change again and again, until it is not shadowed any more.
fn apply_until_frozen(warden: &mut Connection) {
    warden.greet();
    let keys = warden.roster();
    say(&json!({"tasks": keys.len()}));
    let Some((_, task)) = keys.first() else { return };
    let requests = vec![wca_model::Request { task: *task, change: Change::Release(wca_model::Kind::CpuQuota) }];
    loop {
        let answer = warden.ask(&Request::Apply { policy: 0, requests: requests.clone() });
        let Reply::Outcomes(outcomes) = answer.message else { panic!("no outcomes") };
        if outcomes[0].fate != Fate::Shadowed {
            say(&json!({"fate": outcomes[0].fate.to_string()}));
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// One sample and no more, the first time; a good end after that.
fn fall_silent(warden: &mut Connection) {
    let ticks = warden.greet();
    say(&json!({"ticks": ticks}));
    warden.roster();
    warden.ask(&Request::Sample);
    if ticks == 0 {
        std::thread::sleep(Duration::from_secs(600));
    }
}

/// Nothing but messages that are refused, the first time; a good end after that.
fn flood(warden: &mut Connection) {
    let ticks = warden.greet();
    say(&json!({"ticks": ticks}));
    if ticks > 0 {
        return;
    }
    warden.roster();
    warden.ask(&Request::Sample);
    for _ in 0..2_000 {
        warden.send_bytes(b"junk", &[]);
    }
    say(&json!({"survived": true}));
}

/// Asks and asks, and reads the answers much later.
fn hoard(warden: &mut Connection) {
    const REQUESTS: u64 = 20_000;
    warden.greet();
    let channel = &warden.channel;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1..=REQUESTS {
                channel.send(number, &Request::Open { file: 0 }, &[]).expect("sending");
            }
        });
        std::thread::sleep(Duration::from_millis(300));
        say(&json!({"hoarding": true}));
        std::thread::sleep(Duration::from_millis(300));
        for number in 1..=REQUESTS {
            assert_eq!(channel.receive().expect("receiving").number, number);
        }
    });
    say(&json!({"answers": REQUESTS}));
}

/// Asks for files as machine code, `number`, or `number!` without the cache, and for a tree meanwhile.
fn compile(warden: &mut Connection, files: &[&str]) {
    warden.greet();
    for file in files {
        let cache = !file.ends_with('!');
        let file = file.trim_end_matches('!').parse().expect("a number");
        let begin = Instant::now();
        warden.channel.send(9_000, &Request::Compile { file, engine: [1; 32], cache }, &[]).expect("sending");
        // Answered while the component is compiled.
        let first = warden.ask(&Request::Tree);
        let (meanwhile, answer) = match first.message {
            Reply::Tree { .. } => (true, warden.answer()),
            _ => {
                let tree = warden.answer();
                assert!(matches!(tree.message, Reply::Tree { .. }));
                (false, first)
            }
        };
        assert_eq!(answer.number, 9_000);
        let result = match answer.message {
            Reply::Compiled(Ok(compiled)) => {
                let code = wca_messages::read_sealed(&answer.descriptors[0], 1 << 30).expect("sealed memory");
                json!({"code": String::from_utf8_lossy(&code), "cached": compiled.cached,
                       "digest": compiled.digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()})
            }
            Reply::Compiled(Err(why)) => json!({"why": why}),
            other => panic!("no code: {other:?}"),
        };
        say(&json!({"compiled": result, "meanwhile": meanwhile, "millis": begin.elapsed().as_millis() as u64}));
    }
}
