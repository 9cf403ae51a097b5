//! Inline flags of a pattern.

use crate::error::PatternError;
use crate::reader::{Reader, error};

const EXCLUSIVE: &str = "the flags a and u exclude each other";

/// What is switched on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    /// `a`: letters, digits and blanks are those of ASCII.
    pub(crate) ascii: bool,
    /// `i`: case does not matter.
    pub(crate) ignore_case: bool,
    /// `m`: `^` and `$` match at every line.
    pub(crate) multi_line: bool,
    /// `s`: `.` matches the end of a line too.
    pub(crate) dot_all: bool,
    /// `x`: blanks and comments in the pattern mean nothing.
    pub(crate) verbose: bool,
}

/// What stands between `(?` and `)` or `:`, where it is flags.
pub(crate) enum Read {
    /// `(?im)`
    Global(Flags),
    /// `(?im-x:`
    Scoped(Flags),
}

impl Flags {
    /// Reads flags whose first one is next.
    pub(crate) fn read(self, reader: &mut Reader) -> Result<Read, PatternError> {
        let begin = reader.at();
        let (mut flags, mut value, mut count) = (self, true, 0);
        let mut switched_on = String::new();
        loop {
            let at = reader.at();
            match reader.next() {
                Some('a') if value => flags.ascii = true,
                Some('u') if value => flags.ascii = false,
                Some('i') => flags.ignore_case = value,
                Some('m') => flags.multi_line = value,
                Some('s') => flags.dot_all = value,
                Some('x') => flags.verbose = value,
                Some('L') => return Err(error(at, "the flag L is for bytes, not for text")),
                Some('-') if value => {
                    (value, count) = (false, 0);
                    continue;
                }
                Some(')') if value && count > 0 => return flags.checked(begin).map(Read::Global),
                Some(':') if count > 0 => return flags.checked(begin).map(Read::Scoped),
                _ => return Err(error(begin, "what stands behind `(?` is unknown")),
            }
            count += 1;
            let flag = reader.before();
            match flag {
                Some('a') if switched_on.contains('u') => return Err(error(at, EXCLUSIVE)),
                Some('u') if switched_on.contains('a') => return Err(error(at, EXCLUSIVE)),
                Some(flag) if !value && switched_on.contains(flag) => {
                    return Err(error(at, format!("the flag {flag} is switched on and off")));
                }
                flag => switched_on.extend(flag.filter(|_| value)),
            }
        }
    }

    fn checked(self, at: usize) -> Result<Self, PatternError> {
        if self.ascii && self.ignore_case {
            return Err(error(at, "the flags a and i together are not supported"));
        }
        Ok(self)
    }
}
