//! A way to a server that can delay, break off and count: what a network does to a client, on command.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What happens to what passes. Introductions of new connections (CLIENT SETINFO) are never cut or lost, so that what is
/// hit is what a client wanted to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// All passes.
    Fair,
    /// Each piece of an answer arrives this much later.
    Slow(Duration),
    /// The next `times` answers break off, with the connection, after so many bytes; zero bytes is a server that did
    /// what it was asked and could not say so.
    Cut { after: usize, times: u32 },
    /// The next `times` requests break the connection before they reach the server.
    Lost { times: u32 },
    /// Connections are made, and nothing passes.
    Silent,
}

/// A port of loopback that leads to a server's Unix socket.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    target: PathBuf,
    weather: Mutex<Weather>,
    round_trips: AtomicU64,
    connections: AtomicU64,
    ended: AtomicBool,
}

impl Proxy {
    /// Opens the way to the socket `target`.
    pub(crate) fn to(target: PathBuf) -> std::io::Result<Proxy> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            target,
            weather: Mutex::new(Weather::Fair),
            round_trips: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if serving.ended.load(Ordering::Relaxed) {
                    return;
                }
                serving.connections.fetch_add(1, Ordering::Relaxed);
                let Ok(server) = UnixStream::connect(&serving.target) else { continue };
                // Without it every answer would be slow.
                if client.set_nodelay(true).is_ok() {
                    serving.serve(client, server);
                }
            }
        });
        Ok(Proxy { port, shared })
    }

    /// What happens from now on, also to connections that are there.
    pub(crate) fn set(&self, weather: Weather) {
        *self.shared.weather.lock().unwrap_or_else(PoisonError::into_inner) = weather;
    }

    /// How many times a client has asked and begun to be answered, since the start.
    pub(crate) fn round_trips(&self) -> u64 {
        self.shared.round_trips.load(Ordering::Relaxed)
    }

    /// How many connections were made since the start.
    pub(crate) fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // Wakes the listener, which then ends.
        let _ = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], self.port)));
    }
}

/// What becomes of a piece that was read.
enum Fate {
    Pass,
    Break { after: usize },
    Swallow,
}

/// Both ends of one connection.
struct Ends {
    client: TcpStream,
    server: UnixStream,
    /// Whether the client spoke last.
    asked: AtomicBool,
    /// Whether what it said was its introduction.
    introduced: AtomicBool,
}

impl Ends {
    fn close(&self) {
        // An error is an end that is closed already.
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

impl Shared {
    fn serve(self: &Arc<Self>, client: TcpStream, server: UnixStream) {
        let ends = Arc::new(Ends { client, server, asked: AtomicBool::new(false), introduced: AtomicBool::new(false) });
        let (shared, there) = (Arc::clone(self), Arc::clone(&ends));
        std::thread::spawn(move || {
            pump(&there.client, &there.server, |bytes| shared.request(&there, bytes));
            there.close();
        });
        let (shared, back) = (Arc::clone(self), ends);
        std::thread::spawn(move || {
            pump(&back.server, &back.client, |_| shared.answer(&back));
            back.close();
        });
    }

    fn request(&self, ends: &Ends, bytes: &[u8]) -> Fate {
        let introduces = bytes.windows(7).any(|word| word == b"SETINFO");
        ends.introduced.store(introduces, Ordering::Relaxed);
        ends.asked.store(true, Ordering::Relaxed);
        let mut weather = self.weather.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *weather {
            Weather::Lost { times } if *times > 0 && !introduces => {
                *times -= 1;
                Fate::Break { after: 0 }
            }
            Weather::Silent => Fate::Swallow,
            _ => Fate::Pass,
        }
    }

    fn answer(&self, ends: &Ends) -> Fate {
        let begins = ends.asked.swap(false, Ordering::Relaxed);
        let hits = begins && !ends.introduced.load(Ordering::Relaxed);
        if begins {
            self.round_trips.fetch_add(1, Ordering::Relaxed);
        }
        let mut weather = self.weather.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *weather {
            Weather::Slow(delay) => {
                let delay = *delay;
                drop(weather);
                std::thread::sleep(delay);
                Fate::Pass
            }
            Weather::Cut { after, times } if hits && *times > 0 => {
                *times -= 1;
                Fate::Break { after: *after }
            }
            Weather::Silent => Fate::Swallow,
            _ => Fate::Pass,
        }
    }
}

/// Carries what `from` says to `to` until one of them ends or `fate` breaks the connection.
fn pump(mut from: impl Read, mut to: impl Write, mut fate: impl FnMut(&[u8]) -> Fate) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let Ok(len @ 1..) = from.read(&mut buffer) else { return };
        match fate(&buffer[..len]) {
            Fate::Pass => {
                if to.write_all(&buffer[..len]).is_err() {
                    return;
                }
            }
            Fate::Break { after } => {
                // The end follows in any case.
                let _ = to.write_all(&buffer[..after.min(len)]);
                return;
            }
            Fate::Swallow => {}
        }
    }
}
