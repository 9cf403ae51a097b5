//! Messages over a socket that keeps their boundaries.

use std::io::{IoSlice, IoSliceMut};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::sealed::{SealedError, read_sealed, seal};

/// Most bytes of a message that travel in the message itself; larger ones travel in sealed memory.
pub const INLINE_MAX: usize = 32 * 1024;
/// Most bytes of a message in sealed memory.
pub const SEALED_MAX: usize = 256 * 1024 * 1024;
/// Most descriptors beside a message.
pub const MAX_DESCRIPTORS: usize = 4;

const MAGIC: [u8; 4] = *b"WCA1";
const HEADER: usize = 16;
const INLINE: u8 = 0;
const SEALED: u8 = 1;

/// One end of a connection, which sends `Out` and receives `In`.
#[derive(Debug)]
pub struct Channel<Out, In> {
    socket: OwnedFd,
    kinds: PhantomData<fn(Out) -> In>,
}

/// A message that came.
#[derive(Debug)]
pub struct Incoming<T> {
    /// Its number: that of the request which it is or answers; 0 for events.
    pub number: u64,
    /// The message.
    pub message: T,
    /// Descriptors beside it.
    pub descriptors: Vec<OwnedFd>,
}

/// A message could not be sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The other end is gone.
    #[error("the other process has ended")]
    Closed,
    /// The message cannot be encoded.
    #[error("encoding a message: {0}")]
    Encode(#[from] postcard::Error),
    /// Memory for a large message.
    #[error(transparent)]
    Sealed(#[from] SealedError),
    /// The system call failed.
    #[error("sendmsg: {0}")]
    System(rustix::io::Errno),
}

/// No message could be received. After `Malformed` and `Oversized` the connection is as good as before.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The other end is gone.
    #[error("the other process has ended")]
    Closed,
    /// Nothing has come, and the socket does not wait.
    #[error("no message has come yet")]
    WouldBlock,
    /// The bytes are no message.
    #[error("malformed message: {what}")]
    Malformed {
        /// Number of the message, as far as it could be read; else 0.
        number: u64,
        /// What is wrong.
        what: String,
    },
    /// The message is larger than the bound.
    #[error("oversized message: {what}")]
    Oversized {
        /// Number of the message, as far as it could be read; else 0.
        number: u64,
        /// What is too large.
        what: String,
    },
    /// The system call failed.
    #[error("recvmsg: {0}")]
    System(rustix::io::Errno),
}

impl<Out: Serialize, In: DeserializeOwned> Channel<Out, In> {
    /// Wraps a connected socket of type `SOCK_SEQPACKET`.
    #[must_use]
    pub fn new(socket: OwnedFd) -> Self {
        Self { socket, kinds: PhantomData }
    }

    /// Sends one message with its descriptors; waits while the socket is full.
    ///
    /// # Errors
    /// [`SendError`].
    pub fn send(&self, number: u64, message: &Out, descriptors: &[BorrowedFd<'_>]) -> Result<(), SendError> {
        let body = postcard::to_stdvec(message)?;
        if body.len() <= INLINE_MAX {
            return self.send_parts(number, INLINE, &body, descriptors);
        }
        let memory = seal("wca-message", &[&body])?;
        let mut all = vec![memory.as_fd()];
        all.extend_from_slice(descriptors);
        self.send_parts(number, SEALED, &[], &all)
    }

    /// Sends bytes as they are: for tests of what the other end refuses.
    ///
    /// # Errors
    /// [`SendError`].
    pub fn send_bytes(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<(), SendError> {
        self.send_slices(&[IoSlice::new(bytes)], descriptors)
    }

    fn send_parts(&self, number: u64, form: u8, body: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), SendError> {
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(&MAGIC);
        header[4] = form;
        header[8..].copy_from_slice(&number.to_le_bytes());
        self.send_slices(&[IoSlice::new(&header), IoSlice::new(body)], fds)
    }

    fn send_slices(&self, slices: &[IoSlice<'_>], descriptors: &[BorrowedFd<'_>]) -> Result<(), SendError> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS + 1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(SendError::System(rustix::io::Errno::TOOBIG));
        }
        loop {
            return match sendmsg(&self.socket, slices, &mut ancillary, SendFlags::NOSIGNAL) {
                Ok(_) => Ok(()),
                Err(rustix::io::Errno::INTR) => continue,
                Err(rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET) => Err(SendError::Closed),
                Err(errno) => Err(SendError::System(errno)),
            };
        }
    }

    /// Receives one message, with at most [`SEALED_MAX`] bytes; waits unless the socket does not.
    ///
    /// # Errors
    /// [`ReceiveError`]. Descriptors beside a refused message are closed.
    pub fn receive(&self) -> Result<Incoming<In>, ReceiveError> {
        self.receive_at_most(SEALED_MAX)
    }

    /// As [`Self::receive`], with a bound on the bytes in sealed memory: what a message becomes in the memory of its
    /// receiver can be many times its size.
    ///
    /// # Errors
    /// [`ReceiveError`]. Descriptors beside a refused message are closed.
    pub fn receive_at_most(&self, most: usize) -> Result<Incoming<In>, ReceiveError> {
        let mut buffer = vec![0; HEADER + INLINE_MAX + 1];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS + 1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let mut slices = [IoSliceMut::new(&mut buffer)];
            match recvmsg(&self.socket, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
                Ok(received) => break received,
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::CONNRESET) => return Err(ReceiveError::Closed),
                Err(rustix::io::Errno::AGAIN) => return Err(ReceiveError::WouldBlock),
                Err(errno) => return Err(ReceiveError::System(errno)),
            }
        };
        let mut descriptors = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                descriptors.extend(fds);
            }
        }
        if received.bytes == 0 && descriptors.is_empty() {
            return Err(ReceiveError::Closed);
        }
        let number = number_of(&buffer[..received.bytes]);
        if received.flags.contains(ReturnFlags::TRUNC) || received.bytes > HEADER + INLINE_MAX {
            let what = format!("more than {INLINE_MAX} bytes outside of sealed memory");
            return Err(ReceiveError::Oversized { number, what });
        }
        if received.flags.contains(ReturnFlags::CTRUNC) {
            return Err(ReceiveError::Oversized { number, what: format!("more than {MAX_DESCRIPTORS} descriptors") });
        }
        decode(&buffer[..received.bytes], number, descriptors, most)
    }
}

fn number_of(bytes: &[u8]) -> u64 {
    let mut number = [0; 8];
    match bytes.get(8..HEADER) {
        Some(found) if bytes.starts_with(&MAGIC) => {
            number.copy_from_slice(found);
            u64::from_le_bytes(number)
        }
        _ => 0,
    }
}

fn decode<T: DeserializeOwned>(
    bytes: &[u8],
    number: u64,
    mut descriptors: Vec<OwnedFd>,
    most: usize,
) -> Result<Incoming<T>, ReceiveError> {
    let malformed = |what: &str| ReceiveError::Malformed { number, what: what.into() };
    if bytes.len() < HEADER || bytes[..4] != MAGIC {
        return Err(malformed("no header"));
    }
    let from_memory;
    let body = match bytes[4] {
        INLINE => &bytes[HEADER..],
        SEALED if descriptors.is_empty() => return Err(malformed("no sealed memory beside it")),
        SEALED => {
            let memory = descriptors.remove(0);
            from_memory = read_sealed(&memory, most).map_err(|error| match error {
                SealedError::Oversized { .. } => ReceiveError::Oversized { number, what: error.to_string() },
                other => malformed(&other.to_string()),
            })?;
            from_memory.as_slice()
        }
        _ => return Err(malformed("neither inline nor in sealed memory")),
    };
    let (message, rest) = postcard::take_from_bytes(body).map_err(|error| malformed(&error.to_string()))?;
    if !rest.is_empty() {
        return Err(malformed(&format!("{} bytes too many", rest.len())));
    }
    Ok(Incoming { number, message, descriptors })
}

impl<Out, In> Channel<Out, In> {
    /// Two connected ends.
    ///
    /// # Errors
    /// What the kernel says where it has no socket left.
    pub fn pair() -> Result<(OwnedFd, OwnedFd), rustix::io::Errno> {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
    }
}

impl<Out, In> AsFd for Channel<Out, In> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Downward, Request, RosterEntry};

    type Agent = Channel<Request, Downward>;
    type Warden = Channel<Downward, Request>;

    fn connected() -> (Agent, Warden) {
        let (one, other) = Agent::pair().unwrap();
        (Channel::new(one), Channel::new(other))
    }

    fn roster(tasks: usize) -> Request {
        let entry = RosterEntry { cgroup: "/a/b/c".repeat(20), identity: 1, ..RosterEntry::default() };
        Request::Roster { tasks: vec![entry; tasks], exclusive_cpus: vec![] }
    }

    #[test]
    fn messages_small_and_large_arrive_with_number_and_descriptors() {
        let (agent, warden) = connected();
        let memory = seal("test", &[b"beside"]).unwrap();
        for (number, message) in [(1, Request::Tree), (2, roster(3)), (3, roster(10_000))] {
            agent.send(number, &message, &[memory.as_fd()]).unwrap();
            let incoming = warden.receive().unwrap();
            assert_eq!((incoming.number, &incoming.message), (number, &message));
            assert_eq!(read_sealed(&incoming.descriptors[0], 10).unwrap(), b"beside");
        }
    }

    #[test]
    fn refused_messages_leave_the_connection_as_good_as_before() {
        let (agent, warden) = connected();
        let unsealed = tempfile::tempfile().unwrap();
        let mut sealed_form = [0; HEADER];
        sealed_form[..4].copy_from_slice(&MAGIC);
        sealed_form[4] = SEALED;
        let mut other_form = sealed_form;
        other_form[4] = 9;
        let mut inline_junk = vec![99; 40];
        inline_junk[..4].copy_from_slice(&MAGIC);
        inline_junk[4] = INLINE;
        let cases: [(&[u8], &[BorrowedFd<'_>], &str); 7] = [
            (b"x", &[], "malformed message: no header"),
            (&[7; 64], &[], "malformed message: no header"),
            (&other_form, &[], "malformed message: neither inline nor in sealed memory"),
            (&sealed_form, &[], "malformed message: no sealed memory beside it"),
            (&sealed_form, &[unsealed.as_fd()], "malformed message: the descriptor is not sealed memory"),
            (&inline_junk, &[], "malformed message: Serde Deserialization Error"),
            (&[0; INLINE_MAX + 4000], &[], "oversized message: more than 32768 bytes outside of sealed memory"),
        ];
        for (bytes, descriptors, expected) in cases {
            agent.send_bytes(bytes, descriptors).unwrap();
            let error = warden.receive().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        agent.send(9, &Request::Sample, &[]).unwrap();
        assert_eq!(warden.receive().unwrap().message, Request::Sample);
    }

    #[test]
    fn a_message_in_sealed_memory_has_the_bound_of_its_receiver() {
        let (agent, warden) = connected();
        agent.send(5, &roster(1_000), &[]).unwrap();
        let error = warden.receive_at_most(1 << 16).unwrap_err();
        assert!(matches!(&error, ReceiveError::Oversized { number: 5, .. }), "{error}");
        agent.send(6, &roster(1_000), &[]).unwrap();
        assert_eq!(warden.receive_at_most(1 << 20).unwrap().number, 6);
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let (agent, warden) = connected();
        let mut bytes = vec![0; HEADER];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes.extend(postcard::to_stdvec(&Request::Tree).unwrap());
        bytes.push(0);
        agent.send_bytes(&bytes, &[]).unwrap();
        assert_eq!(warden.receive().unwrap_err().to_string(), "malformed message: 1 bytes too many");
    }

    #[test]
    fn the_end_of_the_other_process_is_told() {
        let (agent, warden) = connected();
        drop(agent);
        assert!(matches!(warden.receive(), Err(ReceiveError::Closed)));
        assert!(matches!(warden.send(0, &Downward::Event(crate::Event::Stop), &[]), Err(SendError::Closed)));
    }
}
