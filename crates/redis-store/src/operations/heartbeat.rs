//! The locks that a process holds, and the thread that lets them live on while their requests run.
//!
//! There is one such thread per process, started with the first lock. It sleeps until some lock has been held for a third of
//! its lifetime; only then does it connect. It never takes a lock of a store, and a forked child begins anew with its own
//! list and thread, so whatever the thread was doing at the fork keeps nobody waiting.

use std::sync::Arc;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::core::forks;
use crate::core::store::Store;
use crate::core::token::Token;
use crate::format::key::Names;
use crate::format::script::{RENEW, Verdict};
use crate::operations::signals;
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
                state.sleeps = Some(Sleep::Until(due));
                let process = Arc::clone(self);
                let spawned = signals::blocked(|| {
                    let named = thread::Builder::new().name("cloakroom-locks".to_owned()).stack_size(256 << 10);
                    named.spawn(move || process.keep_alive())
                });
                if spawned.is_err() {
                    // Tried again with the next lock. This one expires if its request runs longer than its lifetime.
                    state.sleeps = None;
                }
            }
        }
    }

    /// Lets a lock go its way.
    pub(crate) fn let_go(&self, token: &Token) {
        self.state.lock().held.retain(|held| held.token != *token);
    }

    /// The thread.
    fn keep_alive(&self) {
        let mut links: Vec<(Arc<Store>, Link)> = Vec::new();
        let mut state = self.state.lock();
        loop {
            let now = Instant::now();
            let due: Vec<_> = state.held.iter().filter(|held| held.due <= now).cloned().collect();
            if !due.is_empty() {
                MutexGuard::unlocked(&mut state, || {
                    for held in &due {
                        if !renew(&mut links, held) {
                            self.let_go(&held.token);
                        }
                    }
                });
                for held in state.held.iter_mut().filter(|held| due.iter().any(|due| due.token == held.token)) {
                    held.due = now + held.lifetime / PARTS;
                }
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

/// Renews one lock; `false` where it is lost for certain.
fn renew(links: &mut Vec<(Arc<Store>, Link)>, held: &Held) -> bool {
    let place = links.iter().position(|(store, _)| Arc::ptr_eq(store, &held.store)).unwrap_or_else(|| {
        links.push((Arc::clone(&held.store), Link::new(held.store.dialer())));
        links.len() - 1
    });
    let Some((store, link)) = links.get_mut(place) else { return true };
    let arguments = [bytes(held.token.as_bytes()), milliseconds(held.lifetime)];
    let answer = link.ask(store.dialer(), &Request::script(&RENEW, &held.names, &arguments));
    match answer.and_then(|value| Reply::read(value, store.dialer())) {
        Ok(reply) => reply.verdict != Verdict::Lost,
        // What the request does next will say what is wrong.
        Err(_) => true,
    }
}
