//! What the kernel says this process is.

use super::ConfineError;

const PATH: &str = "/proc/self/status";

/// What the kernel says this process is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Status {
    threads: u32,
    /// Real, effective, saved, and of the file system.
    users: Vec<u32>,
    /// Names and values of the sets that are not empty.
    capabilities: Vec<(&'static str, u64)>,
    no_new_privs: bool,
}

impl Status {
    pub(super) fn read() -> Result<Self, ConfineError> {
        let text = std::fs::read_to_string(PATH)
            .map_err(|error| ConfineError::Status { path: PATH, what: error.to_string() })?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, ConfineError> {
        let field = |name: &'static str| {
            let lacks = || ConfineError::Status { path: PATH, what: format!("no line {name}") };
            text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim).ok_or_else(lacks)
        };
        let number = |name: &'static str, radix: u32| {
            let value = field(name)?;
            let wrong = |_| ConfineError::Status { path: PATH, what: format!("{name} is {value:?}, not a number") };
            u64::from_str_radix(value, radix).map_err(wrong)
        };
        let mut capabilities = Vec::new();
        // The bounding set is no right: without new privileges nothing comes out of it, and only root can empty it.
        for name in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            let set = number(name, 16)?;
            if set != 0 {
                capabilities.push((name, set));
            }
        }
        Ok(Self {
            threads: u32::try_from(number("Threads", 10)?).unwrap_or(u32::MAX),
            users: field("Uid")?.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect(),
            capabilities,
            no_new_privs: number("NoNewPrivs", 10)? == 1,
        })
    }

    /// The user, where nothing is left that could be dropped.
    pub(super) fn check(&self) -> Result<u32, ConfineError> {
        let (Some(&uid), 4) = (self.users.first(), self.users.len()) else {
            return Err(ConfineError::Users(self.users.clone()));
        };
        if self.users.contains(&0) {
            return Err(ConfineError::Root);
        }
        if self.users.iter().any(|other| *other != uid) {
            return Err(ConfineError::Users(self.users.clone()));
        }
        if !self.capabilities.is_empty() {
            let sets: Vec<String> = self.capabilities.iter().map(|(name, set)| format!("{name} {set:x}")).collect();
            return Err(ConfineError::Capabilities(sets.join(", ")));
        }
        if !self.no_new_privs {
            return Err(ConfineError::NewPrivileges);
        }
        if self.threads != 1 {
            return Err(ConfineError::Threads(self.threads));
        }
        Ok(uid)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const DROPPED: &str = "Name:\twca\nUid:\t7\t7\t7\t7\nThreads:\t1\nCapInh:\t0000000000000000\n\
        CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000000\n\
        NoNewPrivs:\t1\n";

    #[rstest]
    #[case("", "", "user 7")]
    #[case("\t7\t7\t7\t7", "\t0\t0\t0\t0", "runs as root")]
    #[case("\t7\t7\t7\t7", "\t7\t7\t0\t7", "runs as root")]
    #[case("\t7\t7\t7\t7", "\t7\t7\t8\t7", "user numbers [7, 7, 8, 7]")]
    #[case("CapPrm:\t0000000000000000", "CapPrm:\t0000000000000002", "capabilities (CapPrm 2)")]
    #[case("NoNewPrivs:\t1", "NoNewPrivs:\t0", "NoNewPrivs is 0")]
    #[case("Threads:\t1", "Threads:\t2", "2 threads already")]
    #[case("CapAmb:", "CapX:", "/proc/self/status: no line CapAmb")]
    #[case("Threads:\t1", "Threads:\tmany", "/proc/self/status: Threads is \"many\", not a number")]
    fn what_is_left_is_found(#[case] from: &str, #[case] to: &str, #[case] expected: &str) {
        let told = match Status::parse(&DROPPED.replacen(from, to, 1)).and_then(|status| status.check()) {
            Ok(uid) => format!("user {uid}"),
            Err(error) => error.to_string(),
        };
        assert!(told.contains(expected), "{told}");
    }

    #[test]
    fn the_kernel_has_all_the_lines() {
        Status::read().unwrap();
    }
}
