//! Which user the agent becomes.

use nix::unistd::{Group, User};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};

/// The system user that the agent becomes where the operator names none.
const DEFAULT: &str = "wca";
/// Numbers that no distribution and no tool of systemd gives to anybody
/// (<https://systemd.io/UIDS-GIDS/>); the agent becomes one of them where there is no user `wca`.
const UNUSED: std::ops::RangeInclusive<u32> = 60_706..=61_183;
/// `nobody`: whoever becomes it shares its processes with everybody else who does.
const NOBODY: u32 = 65_534;

/// The agent's user cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// No such user.
    #[error("--user {0}: no user of this name or number; `useradd --system --no-create-home {0}` makes one")]
    Unknown(String),
    /// A user that is not the agent's alone.
    #[error("--user {0}: the agent takes no user that it would share with others; name one of its own, or none")]
    Shared(String),
    /// Only root can become somebody else.
    #[error("--user {named}: only root can run the agent as another user; without root it runs as the user {own}")]
    NotRoot {
        /// The user that was named.
        named: String,
        /// This user's number.
        own: u32,
    },
    /// The user database cannot be read.
    #[error("looking up the user {name}: {source}")]
    Lookup {
        /// The user.
        name: String,
        /// What the system said.
        source: nix::errno::Errno,
    },
    /// No number is unused.
    #[error("all user numbers from {first} to {last} are in use; name a user with --user")]
    NoneLeft {
        /// First number that was tried.
        first: u32,
        /// Last number that was tried.
        last: u32,
    },
}

/// The user that the agent becomes; none: it stays the warden's, since there is no root to drop.
pub(crate) fn agent_user(named: Option<&str>) -> Result<Option<(Uid, Gid)>, UserError> {
    let own = rustix::process::geteuid();
    if !own.is_root() {
        return match named {
            Some(named) if lookup(named)?.is_none_or(|(uid, _)| uid != own) => {
                Err(UserError::NotRoot { named: named.into(), own: own.as_raw() })
            }
            _ => Ok(None),
        };
    }
    let found = match named {
        Some(named) => lookup(named)?.ok_or_else(|| UserError::Unknown(named.into()))?,
        None => match lookup(DEFAULT)? {
            Some(found) => found,
            None => unused()?,
        },
    };
    if found.0.is_root() || found.1.is_root() || found.0.as_raw() == NOBODY || named == Some("nobody") {
        return Err(UserError::Shared(named.unwrap_or(DEFAULT).into()));
    }
    Ok(Some(found))
}

/// A user by name, or by a number that need not stand in the database.
fn lookup(name: &str) -> Result<Option<(Uid, Gid)>, UserError> {
    let failed = |source| UserError::Lookup { name: name.into(), source };
    let user = match name.parse::<u32>() {
        // -1 says "unchanged" to the kernel.
        Ok(u32::MAX) => return Ok(None),
        Ok(number) => match User::from_uid(nix::unistd::Uid::from_raw(number)).map_err(failed)? {
            Some(user) => user,
            None => return Ok(Some((Uid::from_raw(number), Gid::from_raw(number)))),
        },
        Err(_) => match User::from_name(name).map_err(failed)? {
            Some(user) => user,
            None => return Ok(None),
        },
    };
    Ok(Some((Uid::from_raw(user.uid.as_raw()), Gid::from_raw(user.gid.as_raw()))))
}

/// A number of the range that no user, group or process has. Where the search begins differs from warden to warden, so that
/// two that start at once rarely meet.
fn unused() -> Result<(Uid, Gid), UserError> {
    let (first, last) = (*UNUSED.start(), *UNUSED.end());
    let count = last - first + 1;
    let begin = std::process::id() % count;
    for number in (0..count).map(|step| first + (begin + step) % count) {
        let failed = |source| UserError::Lookup { name: number.to_string(), source };
        let taken = is_running(number)
            || User::from_uid(nix::unistd::Uid::from_raw(number)).map_err(failed)?.is_some()
            || Group::from_gid(nix::unistd::Gid::from_raw(number)).map_err(failed)?.is_some();
        if !taken {
            return Ok((Uid::from_raw(number), Gid::from_raw(number)));
        }
    }
    Err(UserError::NoneLeft { first, last })
}

/// Whether a process runs under this number: asking for the priority of a user without one fails.
fn is_running(uid: u32) -> bool {
    rustix::process::getpriority_user(Uid::from_raw(uid)) != Err(Errno::SRCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skipped::skipped;

    #[test]
    fn this_process_runs_under_its_number() {
        assert!(is_running(rustix::process::getuid().as_raw()));
        assert!(!is_running(54_322));
    }

    #[test]
    fn root_drops_to_a_user_of_the_agents_own_and_nobody_else_does() {
        if !rustix::process::geteuid().is_root() {
            skipped("only root drops to another user");
            assert_eq!(agent_user(None).unwrap(), None);
            assert!(matches!(agent_user(Some("0")), Err(UserError::NotRoot { .. })));
            return;
        }
        let (uid, _) = agent_user(None).unwrap().unwrap();
        assert!(!uid.is_root() && uid.as_raw() != NOBODY);
        assert_eq!(agent_user(Some("4242")).unwrap(), Some((Uid::from_raw(4242), Gid::from_raw(4242))));
        for shared in ["0", "root", "65534", "nobody"] {
            let told = agent_user(Some(shared)).unwrap_err().to_string();
            assert!(told.contains("share with others"), "{shared}: {told}");
        }
        assert!(matches!(agent_user(Some("no such user")), Err(UserError::Unknown(_))));
    }
}
