//! A server that answers whatever a test says, over TCP or a Unix socket: one that lies, or that is none at all.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// What is answered to one command.
#[derive(Clone)]
pub(crate) enum Answer {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The first bytes, then the second ones again and again, for as long as somebody reads.
    Endless(Vec<u8>, Vec<u8>),
    /// These bytes, one at a time with such pauses, and then the last one again and again.
    Drip(Vec<u8>, Duration),
    /// Nothing.
    Silence,
}

/// An answer of these bytes.
pub(crate) fn says(bytes: impl Into<Vec<u8>>) -> Answer {
    Answer::Bytes(bytes.into())
}

/// An array of texts.
pub(crate) fn texts(texts: &[&[u8]]) -> Vec<u8> {
    let mut answer = format!("*{}\r\n", texts.len()).into_bytes();
    for text in texts {
        answer.extend(format!("${}\r\n", text.len()).as_bytes());
        answer.extend(*text);
        answer.extend(b"\r\n");
    }
    answer
}

type Says = dyn Fn(&[Vec<u8>]) -> Answer + Send + Sync;

/// A fake server, which lives as long as the test.
pub(crate) struct Fake {
    /// The port, 0 for a Unix socket.
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    says: Mutex<Arc<Says>>,
    asked: AtomicU64,
}

impl Fake {
    /// One on loopback that answers introductions as it should and everything else by `says`.
    pub(crate) fn tcp(says: impl Fn(&[Vec<u8>]) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Shared::new(says);
        let serves = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let _no_delay = stream.set_nodelay(true);
                serve_beside(stream.try_clone().expect("a descriptor"), stream, &serves);
            }
        });
        Self { port, shared }
    }

    /// One at `path`.
    pub(crate) fn unix(path: &Path, says: impl Fn(&[Vec<u8>]) -> Answer + Send + Sync + 'static) -> Self {
        let listener = UnixListener::bind(path).expect("a socket");
        let shared = Shared::new(says);
        let serves = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                serve_beside(stream.try_clone().expect("a descriptor"), stream, &serves);
            }
        });
        Self { port: 0, shared }
    }

    /// Answers by `says` from now on.
    pub(crate) fn set(&self, says: impl Fn(&[Vec<u8>]) -> Answer + Send + Sync + 'static) {
        *self.shared.says.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(says);
    }

    /// How many commands it was asked, introductions aside.
    pub(crate) fn asked(&self) -> u64 {
        self.shared.asked.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn new(says: impl Fn(&[Vec<u8>]) -> Answer + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { says: Mutex::new(Arc::new(says)), asked: AtomicU64::new(0) })
    }
}

/// Serves one client on a thread of its own.
fn serve_beside(reads: impl Read + Send + 'static, writes: impl Write + Send + 'static, shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    thread::spawn(move || serve(BufReader::new(reads), writes, &shared));
}

fn serve(mut reads: impl BufRead, mut writes: impl Write, shared: &Shared) {
    while let Some(command) = command(&mut reads) {
        let word = command.first().map_or(&b""[..], Vec::as_slice);
        let answer = if matches!(word, b"AUTH" | b"SELECT" | b"CLIENT" | b"ASKING") {
            says("+OK\r\n")
        } else {
            shared.asked.fetch_add(1, Ordering::Relaxed);
            let says = Arc::clone(&*shared.says.lock().unwrap_or_else(PoisonError::into_inner));
            says(&command)
        };
        let done = match answer {
            Answer::Bytes(bytes) => writes.write_all(&bytes),
            Answer::Endless(first, again) => {
                writes.write_all(&first).and_then(|()| loop_write(&mut writes, &again, None))
            }
            Answer::Drip(bytes, pause) => bytes
                .iter()
                .try_for_each(|byte| {
                    writes.write_all(&[*byte])?;
                    thread::sleep(pause);
                    Ok(())
                })
                .and_then(|()| loop_write(&mut writes, bytes.last_chunk::<1>().expect("a byte"), Some(pause))),
            Answer::Silence => Ok(()),
        };
        if done.is_err() {
            return;
        }
    }
}

fn loop_write(writes: &mut impl Write, bytes: &[u8], pause: Option<Duration>) -> std::io::Result<()> {
    loop {
        writes.write_all(bytes)?;
        if let Some(pause) = pause {
            thread::sleep(pause);
        }
    }
}

/// The next command of a client; `None` at its end.
fn command(from: &mut impl BufRead) -> Option<Vec<Vec<u8>>> {
    let words = length(from, b'*')?;
    (0..words)
        .map(|_| {
            let mut word = vec![0; length(from, b'$')? + 2];
            from.read_exact(&mut word).ok()?;
            word.truncate(word.len() - 2);
            Some(word)
        })
        .collect()
}

fn length(from: &mut impl BufRead, sign: u8) -> Option<usize> {
    let mut line = Vec::new();
    from.by_ref().take(32).read_until(b'\n', &mut line).ok()?;
    let digits = line.strip_prefix(&[sign])?.strip_suffix(b"\r\n")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
