//! The sockets that the operator named for who asks the agent: bound here, with the operator's rights, and handed over, so
//! that the agent can listen nowhere else. They stay open while agents come and go.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags, chmod, fstat, open};
use rustix::io::Errno;
use rustix::net::sockopt::socket_acceptconn;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use wca_config::ListenAddress;
use wca_messages::Refused;

use crate::error::WardenError;
use crate::numbered::Numbered;

/// Who may enter the folder of a socket may connect to it, as everybody on the machine may to one with an address.
const MODE: Mode = Mode::from_raw_mode(0o666);

/// A socket that listens.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    address: ListenAddress,
    /// Shared by the readings of the configuration that name the same address; none where it could not be bound again.
    socket: Arc<Mutex<Option<Socket>>>,
}

#[derive(Debug)]
struct Socket {
    descriptor: OwnedFd,
    /// The file of one at a path, with its device and inode: removed at the end.
    file: Option<(PathBuf, (u64, u64))>,
}

impl Listener {
    fn new(address: &ListenAddress) -> Result<Self, WardenError> {
        let failed = |error: io::Error| WardenError::Listen { address: address.to_string(), error };
        let socket = Socket::bind(address).map_err(failed)?;
        Ok(Self { address: address.clone(), socket: Arc::new(Mutex::new(Some(socket))) })
    }

    /// A descriptor of the socket. An agent that had it can have shut it down for all who come after: then it is bound again.
    pub(crate) fn hand_over(&self) -> Result<OwnedFd, Refused> {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        if !socket.as_ref().is_some_and(Socket::accepts) {
            tracing::warn!("{}: an agent has shut the socket down; it is bound again", self.address);
            // Closed first, so that the address is free.
            *socket = None;
        }
        let socket = match &mut *socket {
            Some(socket) => socket,
            none => none.insert(
                Socket::bind(&self.address)
                    .map_err(|error| Refused::Failed(format!("{}: binding it again: {error}", self.address)))?,
            ),
        };
        let failed = |errno| Refused::Failed(format!("{}: its descriptor: {errno}", self.address));
        rustix::io::fcntl_dupfd_cloexec(&socket.descriptor, 0).map_err(failed)
    }
}

impl Socket {
    /// Binds a socket, and listens.
    fn bind(address: &ListenAddress) -> io::Result<Self> {
        match address {
            ListenAddress::Tcp(address) => {
                TcpListener::bind(address).map(|socket| Self { descriptor: socket.into(), file: None })
            }
            ListenAddress::Unix(path) => bind_at(path),
        }
    }

    /// Whether somebody could still be connected. One at an address leaves off listening when it is shut down, one at a path says
    /// that nothing more comes.
    fn accepts(&self) -> bool {
        let ended = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        let mut polled = [PollFd::new(&self.descriptor, PollFlags::RDHUP)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        socket_acceptconn(&self.descriptor) == Ok(true)
            && poll(&mut polled, Some(&at_once)).is_ok()
            && !polled[0].revents().intersects(ended)
    }
}

impl Numbered<Listener> {
    /// A socket for each address. What listens at one of them already goes on, with those who wait to be connected.
    pub(crate) fn at(&self, addresses: &[ListenAddress]) -> Result<Vec<Listener>, WardenError> {
        let listening = |address: &ListenAddress| self.iter().find(|known| known.address == *address).cloned();
        addresses.iter().map(|address| listening(address).map_or_else(|| Listener::new(address), Ok)).collect()
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
    let file = Some((path.to_owned(), open_to_all(path)?));
    Ok(Socket { descriptor: socket.into(), file })
}

/// Lets everybody connect to the socket of this user's at the path, and says which it is: device and inode. A link that
/// somebody has put there is not followed.
fn open_to_all(path: &Path) -> io::Result<(u64, u64)> {
    let file = open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let found = fstat(&file)?;
    let is_own = found.st_uid == rustix::process::geteuid().as_raw();
    if FileType::from_raw_mode(found.st_mode) != FileType::Socket || !is_own {
        return Err(io::Error::other("somebody has put something else in the place of the new socket"));
    }
    chmod(format!("/proc/self/fd/{}", file.as_raw_fd()), MODE)?;
    Ok((found.st_dev, found.st_ino))
}

/// Whether a process that has ended has left a socket there. One whose queue is full has somebody who listens.
fn is_left(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
        && connect_at_once(path) == Err(Errno::CONNREFUSED)
}

fn connect_at_once(path: &Path) -> Result<(), Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)
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
    use std::net::{Shutdown, TcpStream};
    use std::os::fd::AsFd;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::os::unix::net::UnixStream;

    use super::*;

    fn none() -> Numbered<Listener> {
        Numbered::new("listener", vec![])
    }

    fn unix(path: &Path) -> ListenAddress {
        ListenAddress::Unix(path.to_owned())
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn shut_down(socket: impl AsFd, how: rustix::net::Shutdown) {
        rustix::net::shutdown(socket, how).unwrap();
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
    fn what_an_agent_has_shut_down_is_bound_again_for_the_next() {
        use rustix::net::Shutdown::{Both, Read, Write};

        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.sock");
        let listeners = none().at(&[ListenAddress::Tcp(free), unix(&path)]).unwrap();
        let other_reading = listeners.clone();
        for how in [Read, Both, Write] {
            shut_down(TcpListener::from(listeners[0].hand_over().unwrap()), how);
            let taken = TcpListener::from(other_reading[0].hand_over().unwrap());
            let connected = TcpStream::connect(free).unwrap();
            let (mut accepted, _) = taken.accept().unwrap();
            accepted.write_all(b"x").unwrap();
            connected.shutdown(Shutdown::Both).unwrap();

            shut_down(UnixListener::from(listeners[1].hand_over().unwrap()), how);
            let taken = UnixListener::from(other_reading[1].hand_over().unwrap());
            UnixStream::connect(&path).unwrap();
            taken.accept().unwrap();
        }
        assert_eq!(mode(&path), 0o666);
        // Whose turn it is does not matter where all is well.
        let waiting = UnixStream::connect(&path).unwrap();
        UnixListener::from(listeners[1].hand_over().unwrap()).accept().unwrap();
        drop((waiting, listeners, other_reading));
        assert!(!path.exists());
    }

    #[test]
    fn an_address_that_another_has_taken_meanwhile_is_said_until_it_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.sock");
        let listener = &none().at(&[unix(&path)]).unwrap()[0];
        shut_down(UnixListener::from(listener.hand_over().unwrap()), rustix::net::Shutdown::Both);
        std::fs::remove_file(&path).unwrap();
        let other = UnixListener::bind(&path).unwrap();
        for _ in 0..2 {
            let told = listener.hand_over().unwrap_err().to_string();
            let expected = format!("{}: binding it again: Address already in use (os error 98)", path.display());
            assert!(told.ends_with(&expected), "{told}");
        }
        drop(other);
        listener.hand_over().unwrap();
        UnixStream::connect(&path).unwrap();
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
        assert_eq!(mode(&path), 0o666);
        UnixStream::connect(&path).unwrap();
        let copy = listeners[0].clone();
        drop(listeners);
        assert!(path.exists(), "another reading names it");
        drop(copy);
        assert!(!path.exists());
    }

    #[test]
    fn nothing_is_opened_to_all_that_was_put_in_the_place_of_the_socket() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), "text").unwrap();
        std::fs::set_permissions(at("file"), std::fs::Permissions::from_mode(0o600)).unwrap();
        symlink("file", at("link")).unwrap();
        let _listener = UnixListener::bind(at("socket")).unwrap();
        let before = mode(&at("socket"));
        symlink("socket", at("to-socket")).unwrap();
        for name in ["file", "link", "to-socket"] {
            let told = open_to_all(&at(name)).unwrap_err().to_string();
            assert!(told.starts_with("somebody has put something else"), "{name}: {told}");
        }
        assert_eq!((mode(&at("file")), mode(&at("socket"))), (0o600, before));
        open_to_all(&at("socket")).unwrap();
        assert_eq!(mode(&at("socket")), 0o666);
    }

    #[test]
    fn a_socket_whose_queue_is_full_is_somebodys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("full");
        let listener = UnixListener::bind(&path).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let mut waiting = Vec::new();
        while connect_at_once(&path) != Err(Errno::AGAIN) {
            let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::NONBLOCK, None).unwrap();
            let _ = connect(&socket, &SocketAddrUnix::new(&path).unwrap());
            waiting.push(socket);
            assert!(waiting.len() < 1_000);
        }
        let told = none().at(&[unix(&path)]).unwrap_err().to_string();
        assert!(told.ends_with("Address already in use (os error 98)"), "{told}");
        assert!(path.exists());
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
