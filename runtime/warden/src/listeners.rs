//! The sockets that the operator named for who asks the agent: bound here, with the operator's rights, and handed over, so
//! that the agent can listen nowhere else. They stay open while agents come and go.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wca_config::ListenAddress;
use wca_messages::Refused;

use crate::error::WardenError;
use crate::numbered::Numbered;

/// Who may enter the folder of a socket may connect to it, as everybody on the machine may to one with an address.
const MODE: u32 = 0o666;

/// A socket that listens.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    address: ListenAddress,
    /// Shared by the readings of the configuration that name the same address.
    socket: Arc<Socket>,
}

#[derive(Debug)]
struct Socket {
    descriptor: OwnedFd,
    /// The file of one at a path, with its device and inode: removed at the end.
    file: Option<(PathBuf, (u64, u64))>,
}

impl Listener {
    /// Binds a socket, and listens.
    fn bind(address: &ListenAddress) -> Result<Self, WardenError> {
        let socket = match address {
            ListenAddress::Tcp(address) => {
                TcpListener::bind(address).map(|socket| Socket { descriptor: socket.into(), file: None })
            }
            ListenAddress::Unix(path) => bind_at(path),
        };
        let failed = |error: io::Error| WardenError::Listen { address: address.to_string(), error };
        Ok(Self { address: address.clone(), socket: Arc::new(socket.map_err(failed)?) })
    }

    /// A descriptor of the socket.
    pub(crate) fn hand_over(&self) -> Result<OwnedFd, Refused> {
        let failed = |errno| Refused::Failed(format!("{}: its descriptor: {errno}", self.address));
        rustix::io::fcntl_dupfd_cloexec(self.descriptor(), 0).map_err(failed)
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.descriptor.as_fd()
    }
}

impl Numbered<Listener> {
    /// A socket for each address. What listens at one of them already goes on, with those who wait to be connected.
    pub(crate) fn at(&self, addresses: &[ListenAddress]) -> Result<Vec<Listener>, WardenError> {
        let listening = |address: &ListenAddress| self.iter().find(|known| known.address == *address).cloned();
        addresses.iter().map(|address| listening(address).map_or_else(|| Listener::bind(address), Ok)).collect()
    }
}

/// Binds a socket at a path. What a process that has ended has left there is removed; one at which somebody listens is not.
fn bind_at(path: &Path) -> io::Result<Socket> {
    let socket = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_left(path) => {
            std::fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        bound => bound?,
    };
    let file = Some((path.to_owned(), identity(path)?));
    let socket = Socket { descriptor: socket.into(), file };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(MODE))?;
    Ok(socket)
}

fn is_left(path: &Path) -> bool {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    is_socket && UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some((path, own)) = &self.file
            && identity(path).is_ok_and(|found| found == *own)
        {
            // Nobody listens there any more; one that stays is removed by the next who binds it.
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use super::*;

    fn none() -> Numbered<Listener> {
        Numbered::new("listener", vec![])
    }

    fn unix(path: &Path) -> ListenAddress {
        ListenAddress::Unix(path.to_owned())
    }

    #[test]
    fn a_socket_at_an_address_is_handed_over_and_stays_when_it_is_named_again() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let first = none().at(&[ListenAddress::Tcp(free)]).unwrap();
        let mut numbered = Numbered::new("listener", first);
        let waiting = TcpStream::connect(free).unwrap();
        let again = numbered.at(&[ListenAddress::Tcp(free)]).unwrap();
        let next = numbered.next().unwrap();
        numbered.extend(again);
        numbered.forget_before(next);
        let taken = TcpListener::from(numbered.get(1).unwrap().hand_over().unwrap());
        let (mut accepted, _) = taken.accept().unwrap();
        accepted.write_all(b"x").unwrap();
        drop(accepted);
        let mut text = String::new();
        (&waiting).read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
    }

    #[test]
    fn an_address_that_is_in_use_is_said() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        let told = none().at(&[ListenAddress::Tcp(address)]).unwrap_err().to_string();
        assert_eq!(told, format!("nobody can listen at {address}: Address already in use (os error 98)"));
    }

    #[test]
    fn a_socket_at_a_path_is_open_to_all_and_removed_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.sock");
        let listeners = none().at(&[unix(&path)]).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        UnixStream::connect(&path).unwrap();
        let copy = listeners[0].clone();
        drop(listeners);
        assert!(path.exists(), "another reading names it");
        drop(copy);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_process_has_left_is_replaced_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (left, used, file) = (folder.path().join("left"), folder.path().join("used"), folder.path().join("file"));
        drop(UnixListener::bind(&left).unwrap());
        let listeners = none().at(&[unix(&left)]).unwrap();
        UnixStream::connect(&left).unwrap();
        // Another one at the same path is not ours to remove.
        std::fs::remove_file(&left).unwrap();
        let _other = UnixListener::bind(&left).unwrap();
        drop(listeners);
        assert!(left.exists());
        let _used = UnixListener::bind(&used).unwrap();
        std::fs::write(&file, "text").unwrap();
        for path in [&used, &file] {
            let told = none().at(&[unix(path)]).unwrap_err().to_string();
            assert!(told.starts_with(&format!("nobody can listen at {}: Address", path.display())), "{told}");
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "text");
    }
}
