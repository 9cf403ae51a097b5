//! Limits from the command line: those of a policy, and those of the compiler.

use std::fmt::Write as _;

use anyhow::{Context, Result, anyhow};
use wca_config::{parse_bytes, parse_duration};
use wca_sandbox::Limits;
use wca_warden::CompileLimits;

use crate::arguments::{LimitArguments, parse_pair};

/// A limit of the compiler: its name, what it means, how it is set and shown.
struct CompileLimit {
    name: &'static str,
    help: &'static str,
    set: fn(&mut CompileLimits, &str) -> Result<(), wca_config::QuantityError>,
    show: fn(&CompileLimits) -> String,
}

const COMPILE_LIMITS: [CompileLimit; 5] = [
    CompileLimit {
        name: "component-size",
        help: "bytes of a component",
        set: |limits, text| parse_bytes(text).map(|bytes| limits.input = bytes),
        show: |limits| mebibytes(limits.input),
    },
    CompileLimit {
        name: "compile-memory",
        help: "bytes of the compiler's address space",
        set: |limits, text| parse_bytes(text).map(|bytes| limits.memory = bytes),
        show: |limits| mebibytes(limits.memory),
    },
    CompileLimit {
        name: "compile-time",
        help: "time of a compilation",
        set: |limits, text| parse_duration(text).map(|duration| limits.time = duration),
        show: |limits| format!("{:?}", limits.time),
    },
    CompileLimit {
        name: "compile-output",
        help: "bytes of machine code",
        set: |limits, text| parse_bytes(text).map(|bytes| limits.output = bytes),
        show: |limits| mebibytes(limits.output),
    },
    CompileLimit {
        name: "cache-size",
        help: "bytes of compiled code that are kept over all components",
        set: |limits, text| parse_bytes(text).map(|bytes| limits.cache = bytes),
        show: |limits| mebibytes(limits.cache),
    },
];

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

/// The limits that the command line asks for.
///
/// # Errors
/// A name that is no limit, or a value of the wrong form.
pub(crate) fn limits(arguments: &LimitArguments) -> Result<(Limits, CompileLimits)> {
    let (mut limits, mut compile) = (Limits::default(), CompileLimits::default());
    set(arguments, &mut limits, &mut compile)?;
    Ok((limits, compile))
}

/// Sets the limits that the command line names, and leaves the others as they are.
///
/// # Errors
/// A name that is no limit, or a value of the wrong form.
pub(crate) fn set(arguments: &LimitArguments, limits: &mut Limits, compile: &mut CompileLimits) -> Result<()> {
    for text in &arguments.limits {
        let (name, value) = parse_pair(text).map_err(|why| anyhow!("--limit {text}: {why}"))?;
        let wanted = name.replace('_', "-");
        match COMPILE_LIMITS.iter().find(|limit| limit.name == wanted) {
            Some(limit) => (limit.set)(compile, &value).with_context(|| format!("--limit {text}"))?,
            None => limits.set(&name, &value).with_context(|| format!("--limit {text}"))?,
        }
    }
    if let Some(fuel) = arguments.fuel {
        limits.set("fuel", &fuel.to_string()).context("--fuel")?;
    }
    if let Some(memory) = arguments.memory {
        limits.set("memory", &memory.to_string()).context("--memory")?;
    }
    if let Some(deadline) = arguments.deadline {
        limits.deadline = Some(deadline);
    }
    Ok(())
}

/// All limits with their defaults, as `--limit help` prints them.
pub(crate) fn help() -> String {
    let mut text = String::new();
    let compile = CompileLimits::default();
    let of_compiler = COMPILE_LIMITS.iter().map(|limit| (limit.name, (limit.show)(&compile), limit.help));
    for (name, value, help) in Limits::default().show().chain(of_compiler) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:<18} {value:<46} {help}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(limits: &[&str]) -> Result<(Limits, CompileLimits)> {
        let limits = limits.iter().map(|limit| (*limit).to_owned()).collect();
        super::limits(&LimitArguments { fuel: None, deadline: None, memory: None, limits })
    }

    #[test]
    fn limits_of_policy_and_compiler_are_set_by_one_flag() {
        let (limits, compile) = of(&["handles=5", "compile_memory=1Gi"]).unwrap();
        assert_eq!((limits.handles, compile.memory), (5, 1 << 30));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let cases = [
            ("handles", "--limit handles: a key and a value are expected, such as threshold=0.5"),
            ("hands=1", "--limit hands=1: `hands` is no limit; known: fuel,"),
            ("compile-time=soon", "--limit compile-time=soon: `soon` is no duration above zero"),
        ];
        for (limit, expected) in cases {
            let error = format!("{:#}", of(&[limit]).unwrap_err());
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
