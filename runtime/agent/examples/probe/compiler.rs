//! A compiler whose input says how it should misbehave.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use wca_agent::confine::confine_compiler;

pub(crate) fn run() -> ExitCode {
    confine_compiler().expect("confinement");
    let mut component = String::new();
    std::io::stdin().read_to_string(&mut component).expect("a component");
    let mut out = std::io::stdout();
    match component.lines().next().unwrap_or_default() {
        "code" => out.write_all(component.as_bytes()).expect("writing"),
        "slow" => {
            std::thread::sleep(std::time::Duration::from_millis(300));
            out.write_all(b"slow code").expect("writing");
        }
        "nothing" => {}
        "spin" => loop {
            std::hint::spin_loop();
        },
        "sleep" => std::thread::sleep(std::time::Duration::from_secs(600)),
        "memory" => {
            let mut blocks: Vec<Vec<u8>> = Vec::new();
            loop {
                blocks.push(vec![1; 16 << 20]);
            }
        }
        "output" => loop {
            if let Err(error) = out.write_all(&[1; 1 << 16]) {
                eprintln!("{error}");
                return ExitCode::FAILURE;
            }
        },
        "refuse" => {
            eprintln!("offset 12: this is no component\x1b[31m");
            return ExitCode::FAILURE;
        }
        "chatter" => {
            for _ in 0..100_000 {
                eprintln!("chatter");
            }
            return ExitCode::FAILURE;
        }
        "abort" => std::process::abort(),
        "attack" => {
            let attacks = crate::attacks::of_compiler();
            let lines: Vec<String> = attacks.iter().map(|(name, errno)| format!("{name} {errno}")).collect();
            out.write_all(lines.join("\n").as_bytes()).expect("writing");
        }
        other => panic!("no such misbehaviour: {other}"),
    }
    out.flush().expect("writing");
    ExitCode::SUCCESS
}
