//! Key logs over a Unix socket: agents beside clients, servers and proxies write the lines as connections begin.
//!
//! A connection carries lines of a key log, and nothing is answered. Who may connect is for the socket's mode to say,
//! and for the kernel's word on the peer's user (`SO_PEERCRED`) where users are named. Bounds: `MAX_CLIENTS` connections,
//! `TURN` bytes of each at a time, so that who writes faster waits, and `MAX_BAD_LINES` lines that are none before
//! a connection is closed. What is read is held in buffers that are wiped, and is never logged.

use crate::source::key_log::KeySocketSettings;
use crate::tls::keylog::{KeyLogReader, Keys};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Uid, User, geteuid};
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use zeroize::Zeroizing;

/// Connections at a time: an agent needs one.
const MAX_CLIENTS: usize = 256;
/// Bytes that are read of a connection before another's turn: about 300 secrets.
const TURN: usize = 64 << 10;
/// Lines of a connection that are no secrets before it is closed: what writes there is no agent.
const MAX_BAD_LINES: u64 = 100;

/// Why a socket is not listened on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// A user that may connect is not known here.
    #[error("user `{user}` does not exist")]
    NoUser {
        /// As the settings name it.
        user: String,
    },
    /// Something else is there.
    #[error("it is there already, and no socket that nobody listens on any more")]
    Taken,
    /// The system refused.
    #[error(transparent)]
    Refused(#[from] io::Error),
}

/// What a socket counted since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketCounts {
    /// Secrets that were read.
    pub secrets: u64,
    /// Lines that are none.
    pub bad_lines: u64,
    /// Connections that were turned away: of others' users, or for want of room.
    pub refused: u64,
    /// Connections that are open now.
    pub open: u64,
}

/// A socket that agents write secrets to.
#[derive(Debug)]
pub struct KeySocket {
    listener: UnixListener,
    name: String,
    /// Who may write; whoever the mode lets connect when empty.
    users: Vec<Uid>,
    clients: Vec<Client>,
    buffer: Zeroizing<Vec<u8>>,
    counts: SocketCounts,
}

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    reader: KeyLogReader,
}

impl KeySocket {
    /// Listens, as the user that the process still is. To be called before threads are started: the process's `umask` is
    /// changed for a moment.
    pub fn bind(settings: &KeySocketSettings) -> Result<Self, SocketError> {
        let mut users = Vec::new();
        for user in &settings.users {
            users.push(uid(user).ok_or_else(|| SocketError::NoUser { user: user.clone() })?);
        }
        if !users.is_empty() {
            users.extend([Uid::from_raw(0), geteuid()]);
        }
        make_way(&settings.path)?;
        // Nobody connects before the mode is what it shall be.
        let before = umask(Mode::from_bits_truncate(0o177));
        let bound = UnixListener::bind(&settings.path);
        umask(before);
        let listener = bound?;
        listener.set_nonblocking(true)?;
        fs::set_permissions(&settings.path, Permissions::from_mode(settings.mode))?;
        Ok(Self {
            listener,
            name: settings.path.display().to_string(),
            users,
            clients: Vec::new(),
            buffer: Zeroizing::new(vec![0; TURN]),
            counts: SocketCounts::default(),
        })
    }

    /// Its path.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes connections, and reads what each has sent, without waiting for any.
    pub fn look(&mut self, keys: &Keys) {
        // As many at most, so that who connects again and again keeps nobody from being read.
        for _ in 0..MAX_CLIENTS {
            match self.listener.accept() {
                Ok((stream, _)) => self.greet(stream),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Nobody is waiting, or the process has no descriptor left: those who wait are taken later.
                Err(_) => break,
            }
        }
        let mut clients = std::mem::take(&mut self.clients);
        clients.retain_mut(|client| self.read(client, keys));
        self.clients = clients;
        self.counts.open = self.clients.len() as u64;
    }

    fn greet(&mut self, stream: UnixStream) {
        let peer = getsockopt(&stream, PeerCredentials).map(|peer| Uid::from_raw(peer.uid()));
        let may = self.users.is_empty() || peer.is_ok_and(|peer| self.users.contains(&peer));
        let why = if !may {
            "its user is not among those that may"
        } else if self.clients.len() >= MAX_CLIENTS {
            "there are too many"
        } else if stream.set_nonblocking(true).is_err() {
            "it cannot be set up"
        } else {
            return self.clients.push(Client { stream, reader: KeyLogReader::default() });
        };
        self.counts.refused += 1;
        tracing::debug!(socket = %self.name, "a connection for keys was turned away: {why}");
    }

    /// Reads what a connection has. Tells whether more may come.
    fn read(&mut self, client: &mut Client, keys: &Keys) -> bool {
        let (secrets, bad_lines) = (client.reader.secrets, client.reader.bad_lines);
        let open = match client.stream.read(&mut self.buffer) {
            Ok(0) => {
                client.reader.finish(keys);
                false
            }
            Ok(count) => {
                client.reader.feed(self.buffer.get(..count).unwrap_or_default(), keys);
                client.reader.bad_lines < MAX_BAD_LINES
            }
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        };
        self.counts.secrets += client.reader.secrets - secrets;
        self.counts.bad_lines += client.reader.bad_lines - bad_lines;
        if !open && client.reader.bad_lines >= MAX_BAD_LINES {
            tracing::warn!(socket = %self.name, "a connection for keys was closed: what it sends is no key log");
        }
        open
    }

    /// What was counted.
    #[must_use]
    pub const fn counts(&self) -> SocketCounts {
        self.counts
    }
}

/// Removes a socket that nobody listens on any more.
fn make_way(path: &Path) -> Result<(), SocketError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
        Ok(found) if !found.file_type().is_socket() => Err(SocketError::Taken),
        Ok(_) => match UnixStream::connect(path) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(fs::remove_file(path)?),
            Ok(_) | Err(_) => Err(SocketError::Taken),
        },
    }
}

/// Whom a name or number means. A number need not be known to this host.
fn uid(user: &str) -> Option<Uid> {
    match user.parse() {
        Ok(number) => Some(Uid::from_raw(number)),
        Err(_) => User::from_name(user).ok()?.map(|user| user.uid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn line(random: usize) -> String {
        format!("CLIENT_RANDOM {random:064x} {}\n", "ab".repeat(48))
    }

    fn socket(folder: &Path, mode: u32, users: &[&str]) -> Result<KeySocket, SocketError> {
        let users = users.iter().map(|user| (*user).to_owned()).collect();
        KeySocket::bind(&KeySocketSettings { path: folder.join("keys.sock"), mode, users })
    }

    #[test]
    fn agents_write_lines_in_any_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let mut socket = socket(folder.path(), 0o600, &[]).unwrap();
        let mode = fs::metadata(socket.name()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let keys = Keys::new(100);
        let [mut a, mut b] = [(); 2].map(|()| UnixStream::connect(socket.name()).unwrap());
        let (front, back) = (&line(1)[..40], &line(1)[40..]);
        a.write_all(front.as_bytes()).unwrap();
        b.write_all(line(2).as_bytes()).unwrap();
        socket.look(&keys);
        assert_eq!((keys.told(), socket.counts().open), (1, 2));
        a.write_all(back.as_bytes()).unwrap();
        b.write_all(line(3).trim_end().as_bytes()).unwrap();
        drop(b);
        socket.look(&keys);
        socket.look(&keys);
        assert_eq!(keys.told(), 3, "the last line of a connection may lack its end");
        assert_eq!(socket.counts(), SocketCounts { secrets: 3, open: 1, ..SocketCounts::default() });
    }

    #[test]
    fn who_sends_something_else_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let mut socket = socket(folder.path(), 0o600, &[]).unwrap();
        let keys = Keys::new(100);
        let mut other = UnixStream::connect(socket.name()).unwrap();
        other.write_all("no secret\n".repeat(200).as_bytes()).unwrap();
        socket.look(&keys);
        assert_eq!((socket.counts().open, socket.counts().bad_lines), (0, 200));
        // A line without an end fills no memory.
        let mut endless = UnixStream::connect(socket.name()).unwrap();
        for _ in 0..20 {
            endless.write_all(&vec![b'A'; TURN / 2]).unwrap();
            socket.look(&keys);
        }
        assert_eq!((socket.counts().open, keys.told()), (1, 0));
    }

    #[test]
    fn connections_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let mut socket = socket(folder.path(), 0o600, &[]).unwrap();
        let keys = Keys::new(100);
        let clients: Vec<_> = (0..MAX_CLIENTS + 3)
            .map(|_| {
                let client = UnixStream::connect(socket.name()).unwrap();
                socket.look(&keys);
                client
            })
            .collect();
        assert_eq!((socket.counts().open, socket.counts().refused), (MAX_CLIENTS as u64, 3));
        drop(clients);
        socket.look(&keys);
        assert_eq!(socket.counts().open, 0);
    }

    #[test]
    fn others_users_are_turned_away() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(
            socket(folder.path(), 0o600, &["no-such-user"]),
            Err(SocketError::NoUser { user }) if user == "no-such-user"
        ));
        let mut socket = socket(folder.path(), 0o666, &["65534"]).unwrap();
        let keys = Keys::new(100);
        let _own = UnixStream::connect(socket.name()).unwrap();
        socket.look(&keys);
        assert_eq!(socket.counts().open, 1, "the sensor's own user may");
        socket.users = vec![Uid::from_raw(65_534)];
        let _other = UnixStream::connect(socket.name()).unwrap();
        socket.look(&keys);
        let own = geteuid().as_raw() == 65_534;
        assert_eq!((socket.counts().open, socket.counts().refused), if own { (2, 0) } else { (1, 1) });
    }

    #[test]
    fn a_socket_left_behind_makes_way_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let first = socket(folder.path(), 0o600, &[]).unwrap();
        assert!(matches!(socket(folder.path(), 0o600, &[]), Err(SocketError::Taken)), "somebody listens");
        drop(first);
        socket(folder.path(), 0o600, &[]).unwrap();
        let path = folder.path().join("keys.sock");
        fs::remove_file(&path).unwrap();
        fs::write(&path, "a file").unwrap();
        assert!(matches!(socket(folder.path(), 0o600, &[]), Err(SocketError::Taken)));
    }
}
