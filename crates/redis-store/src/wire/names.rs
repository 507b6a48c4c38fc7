//! The addresses of a host within the time of a call. What the system offers for that (`getaddrinfo`, which asks all that the
//! administrator has configured) knows no time-out, and can take half a minute where a name server is silent.
//!
//! So a thread of its own asks the system, and callers wait for it no longer than they may. There is one thread for a name, and
//! few in all, however many requests want to know; it ends with the answer, which holds for some seconds. A forked child begins
//! anew, and waits for no thread of its parent.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::process::{forks, signals};
use crate::wire::stream::Deadline;

/// How long an answer holds, and how long a failure.
const FRESH: Duration = Duration::from_secs(5);
const FAILED: Duration = Duration::from_secs(1);

/// Names that are asked for at a time: a silent name server and many names must not fill the process with threads.
const MOST_THREADS: usize = 4;
/// Names that are remembered, unless they are asked for.
const MOST_NAMES: usize = 256;
/// Addresses of a name that are tried.
const MOST_ADDRESSES: usize = 16;

/// The names of the current process. Replaced in a forked child. No thread of ours takes this lock.
static NAMES: Mutex<Option<Arc<Names>>> = Mutex::new(None);

/// The addresses of `host`, in the order in which to try them.
///
/// # Errors
/// What the system says, [`ErrorKind::TimedOut`] in words of its own, and that there can be no thread.
pub(crate) fn addresses(host: &str, port: u16, deadline: Deadline) -> io::Result<Vec<SocketAddr>> {
    if let Ok(number) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(number, port)]);
    }
    let mut addresses = Names::current().addresses(host, deadline)?;
    addresses.iter_mut().for_each(|address| address.set_port(port));
    Ok(addresses)
}

/// Makes the next question for `host` a new one: nobody was there.
pub(crate) fn forget(host: &str) {
    let names = Names::current();
    let mut known = names.known.lock();
    if matches!(known.get(host), Some(State::Known { .. })) {
        known.remove(host);
    }
}

struct Names {
    /// Which process: see [`forks::count`].
    forks: u64,
    system: System,
    known: Mutex<Known>,
    changed: Condvar,
}

type Known = HashMap<Box<str>, State>;

/// What is known of a name.
enum State {
    /// A thread asks.
    Asked,
    Known {
        addresses: Vec<SocketAddr>,
        since: Instant,
    },
    Failed {
        reason: String,
        since: Instant,
    },
}

/// What the system does for this module.
#[derive(Clone, Copy)]
struct System {
    resolve: fn(&str) -> io::Result<Vec<SocketAddr>>,
    spawn: fn(Box<dyn FnOnce() + Send>) -> io::Result<()>,
}

const SYSTEM: System = System {
    resolve: |host| Ok((host, 0).to_socket_addrs()?.take(MOST_ADDRESSES).collect()),
    spawn: |work| {
        let thread = || thread::Builder::new().name("cloakroom-names".to_owned()).stack_size(512 << 10).spawn(work);
        signals::blocked(thread).map(drop)
    },
};

impl Names {
    fn new(system: System) -> Arc<Self> {
        Arc::new(Self { forks: forks::count(), system, known: Mutex::default(), changed: Condvar::new() })
    }

    fn current() -> Arc<Self> {
        let mut names = NAMES.lock();
        match &*names {
            Some(current) if current.forks == forks::count() => Arc::clone(current),
            _ => {
                let fresh = Self::new(SYSTEM);
                // What the parent of a forked child had is left alone: a thread of the parent may have held its lock.
                std::mem::forget(names.replace(Arc::clone(&fresh)));
                fresh
            }
        }
    }

    fn addresses(self: &Arc<Self>, host: &str, deadline: Deadline) -> io::Result<Vec<SocketAddr>> {
        let mut known = self.known.lock();
        loop {
            match known.get(host) {
                Some(State::Known { addresses, since }) if since.elapsed() < FRESH => return Ok(addresses.clone()),
                Some(State::Failed { reason, since }) if since.elapsed() < FAILED => {
                    return Err(io::Error::other(reason.clone()));
                }
                Some(State::Asked) => {}
                _ if asked(&known) >= MOST_THREADS => {}
                _ => {
                    if let Err(error) = self.ask(host, &mut known) {
                        return alone(host, &error);
                    }
                }
            }
            if deadline.left().is_zero() {
                return Err(io::Error::new(ErrorKind::TimedOut, SILENT));
            }
            self.changed.wait_for(&mut known, deadline.left());
        }
    }

    /// Starts the thread that asks for a name.
    fn ask(self: &Arc<Self>, host: &str, known: &mut MutexGuard<'_, Known>) -> io::Result<()> {
        let (names, asked_for) = (Arc::clone(self), Box::<str>::from(host));
        (self.system.spawn)(Box::new(move || names.learn(asked_for)))?;
        if known.len() >= MOST_NAMES {
            known.retain(|_, state| matches!(state, State::Asked));
        }
        // The thread cannot answer before this, as the list is held here.
        known.insert(host.into(), State::Asked);
        Ok(())
    }

    /// The thread.
    fn learn(&self, host: Box<str>) {
        let found = (self.system.resolve)(&host);
        let since = Instant::now();
        let state = match found {
            Ok(addresses) if addresses.is_empty() => {
                State::Failed { reason: "its name has no address".to_owned(), since }
            }
            Ok(addresses) => State::Known { addresses, since },
            Err(error) => State::Failed { reason: format!("its name cannot be resolved: {error}"), since },
        };
        self.known.lock().insert(host, state);
        self.changed.notify_all();
    }
}

const SILENT: &str = "its name was not resolved in time; check the name servers of this machine (/etc/resolv.conf), or write \
                      the address as a number";

fn asked(known: &Known) -> usize {
    known.values().filter(|state| matches!(state, State::Asked)).count()
}

/// Without a thread nobody can be asked who may not answer. This machine's own name is known.
fn alone(host: &str, error: &io::Error) -> io::Result<Vec<SocketAddr>> {
    if host.eq_ignore_ascii_case("localhost") {
        let addresses = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
        return Ok(addresses.map(|address| SocketAddr::new(address, 0)).to_vec());
    }
    Err(io::Error::other(format!(
        "no thread can be started to resolve its name: {error}; raise the number of processes and threads that this user may have \
         (ulimit -u, LimitNPROC= or TasksMax= of the service, pids.max of the container), or write the address as a number"
    )))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(60);

    fn address() -> SocketAddr {
        "192.0.2.1:0".parse().expect("an address")
    }

    /// Waits for what the threads do.
    fn until(done: impl Fn() -> bool) {
        let began = Instant::now();
        while !done() {
            assert!(began.elapsed() < LONG);
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn numbers_need_nobody() {
        let past = Deadline::after(Duration::ZERO);
        for (host, address) in [("127.0.0.1", "127.0.0.1:7"), ("::1", "[::1]:7")] {
            assert_eq!(addresses(host, 7, past).expect("a number"), [address.parse().expect("an address")]);
        }
    }

    #[test]
    fn the_system_is_asked() {
        let found = addresses("localhost", 7, Deadline::after(LONG)).expect("its own name");
        assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 7), "{found:?}");
    }

    #[test]
    fn a_silent_name_server_keeps_nobody_longer_and_has_one_thread_for_a_name() {
        static ASKED: AtomicU32 = AtomicU32::new(0);
        let resolve = |_: &str| {
            ASKED.fetch_add(1, Ordering::Relaxed);
            loop {
                thread::park();
            }
        };
        let names = Names::new(System { resolve, ..SYSTEM });
        let began = Instant::now();
        for _ in 0..5 {
            let error = names.addresses("silent", Deadline::after(SHORT)).expect_err("nobody answers");
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            assert!(error.to_string().contains("not resolved in time"), "{error}");
        }
        assert!(began.elapsed() >= 5 * SHORT);
        until(|| ASKED.load(Ordering::Relaxed) == 1);
        thread::scope(|scope| {
            for name in 0..20 {
                let names = &names;
                scope.spawn(move || names.addresses(&format!("silent{name}"), Deadline::after(SHORT)).map(drop));
            }
        });
        until(|| ASKED.load(Ordering::Relaxed) as usize == MOST_THREADS);
        assert_eq!(asked(&names.known.lock()), MOST_THREADS);
    }

    #[test]
    fn an_answer_holds_for_a_while_and_a_failure_for_a_moment() {
        static ASKED: AtomicU32 = AtomicU32::new(0);
        let resolve = |host: &str| {
            ASKED.fetch_add(1, Ordering::Relaxed);
            match host {
                "known" => Ok(vec![address()]),
                "empty" => Ok(Vec::new()),
                _ => Err(io::Error::other("no such name")),
            }
        };
        let names = Names::new(System { resolve, ..SYSTEM });
        let ask = |host| names.addresses(host, Deadline::after(LONG)).map_err(|error| error.to_string());
        for _ in 0..3 {
            assert_eq!(ask("known"), Ok(vec![address()]));
        }
        assert_eq!(ASKED.load(Ordering::Relaxed), 1);
        let failed = ask("unknown");
        assert_eq!(failed, Err("its name cannot be resolved: no such name".to_owned()));
        assert_eq!(ask("empty"), Err("its name has no address".to_owned()));
        // Both are too old.
        let past = Instant::now().checked_sub(FRESH).expect("the machine runs for longer");
        names.known.lock().insert("known".into(), State::Known { addresses: Vec::new(), since: past });
        names.known.lock().insert("unknown".into(), State::Failed { reason: String::new(), since: past });
        assert_eq!(ask("known"), Ok(vec![address()]));
        assert_eq!(ask("unknown"), failed);
        assert_eq!(ASKED.load(Ordering::Relaxed), 5);
    }

    #[test]
    fn what_was_asked_too_late_is_known_afterwards() {
        static SILENT: Mutex<()> = Mutex::new(());
        let silent = SILENT.lock();
        let resolve = |_: &str| {
            let _waits = SILENT.lock();
            Ok(vec![address()])
        };
        let names = Names::new(System { resolve, ..SYSTEM });
        names.addresses("late", Deadline::after(SHORT)).expect_err("too late");
        drop(silent);
        assert_eq!(names.addresses("late", Deadline::after(LONG)).expect("an answer"), [address()]);
    }

    #[test]
    fn without_a_thread_nobody_is_asked() {
        let resolve = |_: &str| panic!("somebody was asked");
        let names = Names::new(System { resolve, spawn: |_| Err(ErrorKind::WouldBlock.into()) });
        let error = names.addresses("elsewhere", Deadline::after(LONG)).expect_err("no thread").to_string();
        assert!(error.contains("ulimit -u") && error.contains("as a number"), "{error}");
        assert_eq!(names.addresses("localhost", Deadline::after(LONG)).expect("known").len(), 2);
        // Once there are threads again it works.
        let names = Names::new(System { resolve: |_| Ok(vec![address()]), ..SYSTEM });
        assert_eq!(names.addresses("elsewhere", Deadline::after(LONG)).expect("an answer"), [address()]);
    }

    #[test]
    fn a_forked_child_waits_for_no_thread_of_its_parent() {
        let mut parents = Names::new(SYSTEM);
        Arc::get_mut(&mut parents).expect("nobody else has it").forks = forks::count() + 1;
        // Both as a thread of the parent may have left them.
        parents.known.lock().insert("localhost".into(), State::Asked);
        let _held = parents.known.lock();
        *NAMES.lock() = Some(Arc::clone(&parents));
        addresses("localhost", 7, Deadline::after(LONG)).expect("its own name");
    }

    #[test]
    fn names_that_were_asked_for_once_do_not_pile_up() {
        let names = Names::new(System { resolve: |_| Ok(vec![address()]), ..SYSTEM });
        for name in 0..MOST_NAMES + 10 {
            names.addresses(&format!("name{name}"), Deadline::after(LONG)).expect("an answer");
            assert!(names.known.lock().len() <= MOST_NAMES);
        }
    }
}
