//! Why resctrl refused something (`info/last_cmd_status`, Documentation/filesystems/resctrl.rst).

use rustix::io::Errno;

use super::ControlGroups;
use crate::KernelError;
use crate::files::{open_below, reread};

impl ControlGroups {
    /// An error with all lines of what resctrl says of the last command. To be called before the lock is given back.
    pub(super) fn refused(&self, path: &str, value: &str, error: Errno) -> KernelError {
        let mut buffer = Vec::new();
        let status = open_below(&self.root, "info/last_cmd_status").and_then(|file| reread(file, &mut buffer));
        let text = status.map_or(String::new(), |count| String::from_utf8_lossy(&buffer[..count]).into_owned());
        KernelError::Resctrl {
            path: self.path.join(path),
            value: value.to_owned(),
            source: error.into(),
            status: said(&text, error),
        }
    }
}

/// The lines in one; where the kernel says `ok` though it refused, what is behind that.
fn said(text: &str, error: Errno) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "ok").collect();
    match (lines.is_empty(), error) {
        (false, _) => lines.join("; "),
        (true, Errno::INVAL) => "nothing, as it does of a domain that it does not have".into(),
        (true, Errno::NOSPC) => "nothing; no CLOSID or no RMID is left".into(),
        (true, _) => "nothing".into(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("Out of CLOSIDs\n", Errno::NOSPC, "Out of CLOSIDs")]
    #[case(" one\n\ntwo \n", Errno::INVAL, "one; two")]
    #[case("ok\n", Errno::INVAL, "nothing, as it does of a domain that it does not have")]
    #[case("", Errno::NOSPC, "nothing; no CLOSID or no RMID is left")]
    #[case("ok\n", Errno::PERM, "nothing")]
    fn what_resctrl_says(#[case] text: &str, #[case] error: Errno, #[case] expected: &str) {
        assert_eq!(said(text, error), expected);
    }
}
