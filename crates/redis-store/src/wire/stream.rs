//! A byte stream to a server that keeps deadlines: every wait is bounded by what is left of the call's time, however
//! slowly bytes trickle in and whatever signals arrive in between.
//!
//! The time-outs of sockets themselves begin anew with each byte that comes, and end a wait at a signal. So the sockets
//! never block; waiting is done by `poll`. Dropping a stream closes its descriptor and says nothing to the server, as
//! a forked child must not end the connection of its parent.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustls::ClientConnection;

use crate::address::Endpoint;
use crate::wire::names;

/// How long a server on the same machine is given to answer before the caller goes to sleep: falling asleep and being
/// woken takes longer than such a server needs. Meanwhile any other thread that wants the processor gets it.
const ATTENTION: Duration = Duration::from_micros(50);

/// How long to wait before another attempt at a Unix socket whose queue of connections is full.
const QUEUE_PAUSE: Duration = Duration::from_millis(5);

/// When something has to be done.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// So much time from now.
    #[must_use]
    pub fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// The earlier of the two.
    #[must_use]
    pub fn or(self, time: Duration) -> Self {
        Self(self.0.min(Instant::now() + time))
    }

    /// What is left.
    #[must_use]
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// What is left, as long as that is anything.
    fn remaining(self) -> io::Result<Duration> {
        Some(self.left()).filter(|left| !left.is_zero()).ok_or_else(|| ErrorKind::TimedOut.into())
    }
}

enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    fn connect(endpoint: &Endpoint, deadline: Deadline) -> io::Result<Self> {
        match endpoint {
            Endpoint::Tcp { host, port } => {
                let addresses = names::addresses(host, *port, deadline)?;
                let mut failure = io::Error::new(ErrorKind::NotFound, "the name has no address");
                for (at, address) in (0_u32..).zip(&addresses) {
                    let others = u32::try_from(addresses.len()).unwrap_or(u32::MAX) - at;
                    // One that is silent must not use up the time that the others need.
                    match TcpStream::connect_timeout(address, deadline.remaining()? / others.max(1)) {
                        Ok(socket) => {
                            socket.set_nodelay(true)?;
                            socket.set_nonblocking(true)?;
                            rustix::net::sockopt::set_socket_keepalive(&socket, true)?;
                            return Ok(Self::Tcp(socket));
                        }
                        Err(error) => failure = error,
                    }
                }
                // They may be those of yesterday.
                names::forget(host);
                Err(failure)
            }
            Endpoint::Unix(path) => connect_unix(path, deadline).map(Self::Unix),
        }
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }
}

/// A Unix socket whose server does not accept makes `connect` wait without any bound, unless the socket never blocks.
fn connect_unix(path: &Path, deadline: Deadline) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    loop {
        match rustix::net::connect(&socket, &address) {
            Ok(()) => return Ok(socket.into()),
            Err(rustix::io::Errno::AGAIN) => thread::sleep(QUEUE_PAUSE.min(deadline.remaining()?)),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.read(out),
            Self::Unix(socket) => socket.read(out),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.write(bytes),
            Self::Unix(socket) => socket.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A connection to a server, with or without TLS.
pub struct Stream {
    socket: Socket,
    tls: Option<Box<ClientConnection>>,
}

impl Stream {
    /// Connects to `endpoint`. With `tls` everything that is sent is encrypted; the handshake comes with the first bytes.
    ///
    /// # Errors
    /// Why there is no connection, [`ErrorKind::TimedOut`] among them.
    pub fn connect(endpoint: &Endpoint, tls: Option<ClientConnection>, deadline: Deadline) -> io::Result<Self> {
        Ok(Self { socket: Socket::connect(endpoint, deadline)?, tls: tls.map(Box::new) })
    }

    /// Whether the server closed the connection, or said something unasked: it is of no use then.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        let mut poll_for = [PollFd::from_borrowed_fd(self.socket.descriptor(), PollFlags::IN)];
        poll(&mut poll_for, Some(&Timespec::default())) != Ok(0)
    }

    /// Sends all of `bytes`.
    ///
    /// # Errors
    /// The stream is of no use after one.
    pub fn send(&mut self, bytes: &[u8], deadline: Deadline) -> io::Result<()> {
        let Self { socket, tls } = self;
        let Some(tls) = tls else {
            let mut left = bytes;
            while !left.is_empty() {
                let sent = when_ready(socket, PollFlags::OUT, deadline, |socket| socket.write(left))?;
                left = left.get(sent..).unwrap_or_default();
            }
            return Ok(());
        };
        // What the caller gives is bounded, and nothing may be left out for want of room.
        tls.set_buffer_limit(None);
        tls.writer().write_all(bytes)?;
        send_tls(tls, socket, deadline)
    }

    /// Reads what has come, after waiting for it.
    fn receive(&mut self, out: &mut [u8], deadline: Deadline) -> io::Result<usize> {
        let Self { socket, tls } = self;
        let Some(tls) = tls else {
            return after_waiting(socket, deadline, |socket| socket.read(out));
        };
        loop {
            match tls.reader().read(out) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            send_tls(tls, socket, deadline)?;
            if after_waiting(socket, deadline, |socket| tls.read_tls(socket))? == 0 {
                return Ok(0);
            }
            if let Err(error) = tls.process_new_packets() {
                // The server is told why, if it still listens.
                let _told = send_tls(tls, socket, deadline);
                return Err(io::Error::new(ErrorKind::InvalidData, error));
            }
        }
    }

    /// The stream as something to read from until `deadline`.
    pub fn until(&mut self, deadline: Deadline) -> Until<'_> {
        Until { stream: self, deadline }
    }
}

fn send_tls(tls: &mut ClientConnection, socket: &mut Socket, deadline: Deadline) -> io::Result<()> {
    while tls.wants_write() {
        when_ready(socket, PollFlags::OUT, deadline, |socket| tls.write_tls(socket))?;
    }
    Ok(())
}

/// Does `work`, again whenever the socket is ready for it, as long as it would block.
fn when_ready(
    socket: &mut Socket,
    ready: PollFlags,
    deadline: Deadline,
    mut work: impl FnMut(&mut Socket) -> io::Result<usize>,
) -> io::Result<usize> {
    loop {
        match work(socket) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait(socket, ready, deadline)?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Does `work` when something can be read: an answer is never there before the server had time to think.
fn after_waiting(
    socket: &mut Socket,
    deadline: Deadline,
    mut work: impl FnMut(&mut Socket) -> io::Result<usize>,
) -> io::Result<usize> {
    if let Socket::Unix(_) = socket {
        let start = Instant::now();
        while start.elapsed() < ATTENTION {
            match work(socket) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::yield_now(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }
    wait(socket, PollFlags::IN, deadline)?;
    when_ready(socket, PollFlags::IN, deadline, work)
}

fn wait(socket: &Socket, ready: PollFlags, deadline: Deadline) -> io::Result<()> {
    loop {
        let left = deadline.remaining()?;
        let left =
            Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::from_borrowed_fd(socket.descriptor(), ready)], Some(&left)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// See [`Stream::until`].
pub struct Until<'a> {
    stream: &'a mut Stream,
    deadline: Deadline,
}

impl Read for Until<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.stream.receive(out, self.deadline)
    }
}
