//! The locks that a process holds, and the thread that lets them live on while their requests run.
//!
//! There is one such thread per process, started with the first lock. It sleeps until some lock has been held for a third of
//! its lifetime; only then does it connect. It never takes a lock of a store, and a forked child begins anew with its own
//! list and thread, so whatever the thread was doing at the fork keeps nobody waiting.
//!
//! Where the system lets the process have no more threads, the operator is told once, and each call that goes to a server
//! renews before that what is due ([`Process::stand_in`]). A script that works for longer than the lock lives without such
//! a call loses the lock; its commit is then checked by version, as that of any request that lost its lock.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::core::store::Store;
use crate::core::token::Token;
use crate::format::key::Names;
use crate::format::script::{RENEW, Verdict};
use crate::process::{forks, signals};
use crate::wire::link::Link;
use crate::wire::request::{Reply, Request};
use crate::wire::resp::{bytes, milliseconds};

/// Of this many parts of its lifetime a lock lives before it is renewed.
const PARTS: u32 = 3;

/// The current process. Replaced in a forked child.
static PROCESS: Mutex<Option<Arc<Process>>> = Mutex::new(None);

/// What a process holds.
pub(crate) struct Process {
    /// Which process this is: see [`forks::count`].
    forks: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    held: Vec<Held>,
    /// Until when the thread sleeps; `None` where there is no thread.
    sleeps: Option<Sleep>,
    /// Whether the operator has been told that there can be no thread.
    is_reported: bool,
}

#[derive(Clone, Copy)]
enum Sleep {
    Until(Instant),
    UntilCalled,
}

/// One lock.
#[derive(Clone)]
struct Held {
    thread: ThreadId,
    store: Arc<Store>,
    names: Names,
    token: Token,
    lifetime: Duration,
    due: Instant,
}

impl Process {
    /// This process.
    pub(crate) fn current() -> Arc<Self> {
        let forks = forks::count();
        let mut process = PROCESS.lock();
        match &*process {
            Some(current) if current.forks == forks => Arc::clone(current),
            _ => {
                let fresh = Arc::new(Self { forks, state: Mutex::default(), changed: Condvar::new() });
                // What the parent of a forked child had is left alone: its thread may have held the list.
                std::mem::forget(process.replace(Arc::clone(&fresh)));
                fresh
            }
        }
    }

    /// Whether this is the process that runs, and not its parent.
    pub(crate) fn is_current(&self) -> bool {
        self.forks == forks::count()
    }

    /// Whether the calling thread holds the lock of this name.
    pub(crate) fn holds(&self, store: &Arc<Store>, names: &Names) -> bool {
        let thread = thread::current().id();
        let state = self.state.lock();
        state
            .held
            .iter()
            .any(|held| held.thread == thread && Arc::ptr_eq(&held.store, store) && held.names.session == names.session)
    }

    /// Keeps a lock alive from now on.
    pub(crate) fn hold(self: &Arc<Self>, store: &Arc<Store>, names: &Names, token: Token, lifetime: Duration) {
        let due = Instant::now() + lifetime / PARTS;
        let held = Held {
            thread: thread::current().id(),
            store: Arc::clone(store),
            names: names.clone(),
            token,
            lifetime,
            due,
        };
        let mut state = self.state.lock();
        state.held.push(held);
        match state.sleeps {
            Some(Sleep::Until(instant)) if instant <= due => {}
            Some(_) => {
                self.changed.notify_one();
            }
            None => {
                if let Err(error) = self.start(&mut state, due)
                    && !std::mem::replace(&mut state.is_reported, true)
                {
                    store.report(unattended(&error, lifetime));
                }
            }
        }
    }

    /// Starts the thread. Where that fails it is tried again with the next lock, and when a lock is due.
    fn start(self: &Arc<Self>, state: &mut State, due: Instant) -> io::Result<()> {
        let process = Arc::clone(self);
        signals::blocked(|| {
            let named = thread::Builder::new().name("cloakroom-locks".to_owned()).stack_size(256 << 10);
            named.spawn(move || process.keep_alive())
        })?;
        // The thread looks for itself as soon as it gets the list, which is held here.
        state.sleeps = Some(Sleep::Until(due));
        Ok(())
    }

    /// Renews the locks that are due where no thread does. For each call of a lease or store to begin with.
    pub(crate) fn stand_in(self: &Arc<Self>) {
        let mut state = self.state.lock();
        let now = Instant::now();
        if state.sleeps.is_some()
            || !state.held.iter().any(|held| held.due <= now)
            || self.start(&mut state, now).is_ok()
        {
            return;
        }
        let due = state.take_due(now);
        drop(state);
        for held in due {
            if !held.store.with_link(|link| renew(link, &held)) {
                self.let_go(&held.token);
            }
        }
    }

    /// Lets a lock go its way.
    pub(crate) fn let_go(&self, token: &Token) {
        self.state.lock().held.retain(|held| held.token != *token);
    }

    /// The thread.
    fn keep_alive(&self) {
        // The thread's own links, by the addresses of the stores, which each entry keeps in place.
        let mut links: HashMap<*const Store, (Arc<Store>, Link)> = HashMap::new();
        let mut state = self.state.lock();
        loop {
            let now = Instant::now();
            let due = state.take_due(now);
            if !due.is_empty() {
                MutexGuard::unlocked(&mut state, || {
                    for held in &due {
                        let store = &held.store;
                        let new = || (Arc::clone(store), Link::new(store.dialer()));
                        let (_, link) = links.entry(Arc::as_ptr(store)).or_insert_with(new);
                        if !renew(link, held) {
                            self.let_go(&held.token);
                        }
                    }
                });
                continue;
            }
            match state.held.iter().map(|held| held.due).min() {
                Some(due) => {
                    state.sleeps = Some(Sleep::Until(due));
                    self.changed.wait_until(&mut state, due);
                }
                None => {
                    links.clear();
                    state.sleeps = Some(Sleep::UntilCalled);
                    self.changed.wait(&mut state);
                }
            }
        }
    }
}

impl State {
    /// The locks that are due at `now`, which are due again a part of their lifetimes later.
    fn take_due(&mut self, now: Instant) -> Vec<Held> {
        let due = self.held.iter_mut().filter(|held| held.due <= now);
        due.map(|held| {
            held.due = now + held.lifetime / PARTS;
            held.clone()
        })
        .collect()
    }
}

/// What the operator hears of a thread that cannot be started.
fn unattended(error: &io::Error, lifetime: Duration) -> String {
    format!(
        "the thread that renews session locks cannot be started: {error}; raise the number of processes and threads that this \
         user may have (ulimit -u, LimitNPROC= or TasksMax= of the service, pids.max of the container); until then a lock is \
         renewed by the session calls of its own process only, so a script that keeps a session open for longer than \
         cloakroom.lock_ttl ({} s) without such a call can lose its lock, and what it writes is then refused if another \
         request has written the session meanwhile",
        lifetime.as_secs_f64()
    )
}

/// Renews one lock; `false` where it is lost for certain.
fn renew(link: &mut Link, held: &Held) -> bool {
    let store = &held.store;
    let arguments = [bytes(held.token.as_bytes()), milliseconds(held.lifetime)];
    let answer = link.ask(store.dialer(), &Request::script(&RENEW, &held.names, &arguments));
    match answer.and_then(|value| Reply::read(value, store.dialer())) {
        Ok(reply) => reply.verdict != Verdict::Lost,
        // What the request does next will say what is wrong.
        Err(_) => true,
    }
}
