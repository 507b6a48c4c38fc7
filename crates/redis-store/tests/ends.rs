//! What an end leaves on the server: nothing for a session under a drawn id that was never written and that nobody else
//! has met, and else a tombstone, by which no lease from before the end brings the session back.

mod servers;

use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use cloakroom_redis_store::{Lease, Store};
use cloakroom_seam::{Acquire, Committed, End, Over};
use servers::process::{Server, Settings};
use servers::proxy::{Proxy, Weather};
use servers::sessions::{LIFE, acquire, exclusive, holds, key, name_of, open, unlocked, write};
use servers::suite::{Case, Checked, case, run};
use servers::{Engine, temporary, wait_for};

const CASES: &[Case] = &[
    case("a drawn id whose session was never written leaves nothing", nothing_is_left),
    case("any other end leaves a tombstone", a_tombstone_is_left),
    case("a session that another request has met leaves a tombstone", met),
    case("a session that another request waits for leaves a tombstone", awaited),
    case("a waiter that the server has forgotten is not forgotten by the end", forgotten_waiter),
    case("a session whose lock was lost to another request leaves a tombstone", lost_lock),
    case("a reservation that vanished leaves a tombstone", vanished),
    case("an end that is repeated is one end", repeated),
];

fn main() -> ExitCode {
    run(CASES)
}

/// A server, and two stores on it: two processes as far as the server can tell.
struct Site {
    server: Server,
    store: Arc<Store>,
    other: Arc<Store>,
    _dir: tempfile::TempDir,
}

fn site(engine: Engine) -> Result<Site, String> {
    let dir = temporary();
    let server = Server::start(engine, &dir.path().join("server"), &Settings::default())?;
    let (store, other) = (open(&server.socket_url())?, open(&server.socket_url())?);
    Ok(Site { server, store, other, _dir: dir })
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Reserves a session under an id that was drawn for it.
fn begin(store: &Arc<Store>, id: &str, how: &Acquire<'_>) -> Result<Lease, String> {
    let lease = acquire(store, id, &Acquire { drawn: true, ..*how }).map_err(text)?;
    if lease.is_new() { Ok(lease) } else { Err("the session is not new".to_owned()) }
}

/// Ends the session of a lease, which must have lived.
fn end(lease: &mut Lease, grace: Duration) -> Result<(), String> {
    match lease.destroy(End { tombstone: LIFE, grace }) {
        Ok(true) => Ok(()),
        other => Err(format!("an end was answered {other:?}")),
    }
}

/// An error unless exactly these names are left of a session, by their endings.
fn left(server: &Server, id: &str, endings: &[&str]) -> Result<(), String> {
    let name = name_of(id);
    let mut names: Vec<String> = server.ask(&["KEYS", "*}*"])?;
    names.retain(|found| found.starts_with(&name));
    names.sort();
    let expected: Vec<String> = endings.iter().map(|ending| format!("{name}{ending}")).collect();
    if names == expected { Ok(()) } else { Err(format!("{names:?} is left instead of {expected:?}")) }
}

/// An error unless the lease finds that its session was ended, and writes nothing.
fn writes_nothing(store: &Store, id: &str, lease: &mut Lease) -> Result<(), String> {
    match lease.commit(b"back again", LIFE, Over::Anything) {
        Ok(Committed::Ended) => holds(store, id, None),
        other => Err(format!("a commit after the end was answered {other:?}")),
    }
}

fn nothing_is_left(engine: Engine) -> Checked {
    let Site { server, store, other, _dir } = site(engine)?;
    for (id, how) in [("locked", exclusive()), ("unlocked", unlocked())] {
        for grace in [Duration::ZERO, LIFE] {
            end(&mut begin(&store, id, &how)?, grace)?;
            left(&server, id, &[])?;
        }
        // The next one begins it again, and what it writes stays.
        write(&other, id, b"next")?;
        holds(&store, id, Some(b"next"))?;
    }
    Ok("with and without lock and grace".to_owned())
}

fn a_tombstone_is_left(engine: Engine) -> Checked {
    let Site { server, store, other, _dir } = site(engine)?;
    // An id that may be known from before.
    end(&mut acquire(&store, "known", &exclusive()).map_err(text)?, Duration::ZERO)?;
    left(&server, "known", &[":t"])?;
    // One that was ended before keeps that.
    let mut lease = begin(&store, "known", &exclusive())?;
    let before: i64 = server.ask(&["PTTL", &format!("{}:t", name_of("known"))])?;
    end(&mut lease, Duration::ZERO)?;
    left(&server, "known", &[":t"])?;
    let after: i64 = server.ask(&["PTTL", &format!("{}:t", name_of("known"))])?;
    // A session that exists.
    write(&store, "written", b"payload")?;
    let how = Acquire { drawn: true, ..exclusive() };
    end(&mut acquire(&store, "written", &how).map_err(text)?, Duration::ZERO)?;
    left(&server, "written", &[":t"])?;
    // One that was emptied by another request.
    let mut lease = begin(&store, "emptied", &unlocked())?;
    write(&other, "emptied", b"")?;
    end(&mut lease, Duration::ZERO)?;
    left(&server, "emptied", &[":t"])?;
    // An end without a lease, of what is there or not.
    drop(begin(&store, "reserved", &exclusive())?);
    for id in ["reserved", "absent"] {
        store.destroy(&key(id), End::at_once(LIFE)).map_err(text)?;
        left(&server, id, &[":t"])?;
    }
    Ok(format!("the one before had {before} ms to live, the next one {after}"))
}

fn met(engine: Engine) -> Checked {
    let Site { server, store, other, _dir } = site(engine)?;
    for (id, how) in [("locked", exclusive()), ("unlocked", unlocked())] {
        // A lease without a lock.
        let mut lease = begin(&store, id, &how)?;
        let mut reader = acquire(&other, id, &unlocked()).map_err(text)?;
        end(&mut lease, Duration::ZERO)?;
        left(&server, id, &[":t"])?;
        writes_nothing(&store, id, &mut reader)?;
        // A reader without a lease, who writes later.
        let id = format!("{id} snapshot");
        let mut lease = begin(&store, &id, &how)?;
        let (_, mark) = other.snapshot(&key(&id)).map_err(text)?;
        end(&mut lease, Duration::ZERO)?;
        left(&server, &id, &[":t"])?;
        let mut later = acquire(&other, &id, &Acquire { since: Some(mark), ..exclusive() }).map_err(text)?;
        writes_nothing(&store, &id, &mut later)?;
    }
    // With a grace the session can be read for a while, and is not written any more.
    let mut lease = begin(&store, "grace", &exclusive())?;
    let mut reader = acquire(&other, "grace", &unlocked()).map_err(text)?;
    end(&mut lease, LIFE)?;
    left(&server, "grace", &["", ":t"])?;
    match reader.commit(b"back again", LIFE, Over::Anything) {
        Ok(Committed::Ended) => holds(&store, "grace", Some(b""))?,
        other => return Err(format!("a commit in the grace was answered {other:?}")),
    }
    Ok("by a lease and by a snapshot".to_owned())
}

/// Lets another thread wait for the lock of a session, does `trouble` and ends the session; then the waiter must be able to
/// write nothing.
fn end_before_a_waiter(site: &Site, trouble: impl FnOnce(&Server) -> Result<(), String>) -> Result<(), String> {
    let Site { server, store, other, .. } = site;
    let mut lease = begin(store, "s", &exclusive())?;
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let mut lease = acquire(other, "s", &exclusive()).map_err(text)?;
            writes_nothing(store, "s", &mut lease)
        });
        let queue = format!("{}:q", name_of("s"));
        let ended = wait_for("a waiter in the queue", Duration::from_secs(20), || {
            (server.ask::<u64>(&["LLEN", &queue]) == Ok(1)).then_some(())
        })
        .and_then(|()| trouble(server))
        .and_then(|()| end(&mut lease, Duration::ZERO));
        drop(lease);
        waiter.join().map_err(|_| "the waiter panicked")?.and(ended)
    })
}

fn awaited(engine: Engine) -> Checked {
    let site = site(engine)?;
    end_before_a_waiter(&site, |_| Ok(()))?;
    left(&site.server, "s", &[":t"])?;
    Ok("it writes nothing".to_owned())
}

/// A waiter that was granted the lock and came too late for it is in no queue until its next call.
fn forgotten_waiter(engine: Engine) -> Checked {
    let site = site(engine)?;
    end_before_a_waiter(&site, |server| server.ask(&["DEL", &format!("{}:q", name_of("s"))]).map(|_: u64| ()))?;
    left(&site.server, "s", &[":t"])?;
    Ok("it writes nothing".to_owned())
}

fn lost_lock(engine: Engine) -> Checked {
    let Site { server, store, other, _dir } = site(engine)?;
    let mut slow = begin(&store, "s", &exclusive())?;
    server.ask::<u64>(&["DEL", &format!("{}:l", name_of("s"))])?;
    let mut fast = acquire(&other, "s", &exclusive()).map_err(text)?;
    end(&mut slow, Duration::ZERO)?;
    left(&server, "s", &[":l", ":t"])?;
    writes_nothing(&store, "s", &mut fast)?;
    left(&server, "s", &[":t"])?;
    Ok("the one that has it writes nothing".to_owned())
}

fn vanished(engine: Engine) -> Checked {
    let Site { server, store, other, _dir } = site(engine)?;
    let mut lease = begin(&store, "s", &unlocked())?;
    let mut reader = acquire(&other, "s", &unlocked()).map_err(text)?;
    server.ask::<u64>(&["DEL", &name_of("s")])?;
    lease.destroy(End::at_once(LIFE)).map_err(text)?;
    left(&server, "s", &[":t"])?;
    writes_nothing(&store, "s", &mut reader)?;
    Ok("whoever had met it writes nothing".to_owned())
}

fn repeated(engine: Engine) -> Checked {
    let Site { server, store, other, _dir } = site(engine)?;
    let proxy = Proxy::to(server.socket()).map_err(text)?;
    let through = open(&format!("redis://127.0.0.1:{}", proxy.port))?;
    // The scripts are loaded, and the connection is there.
    end(&mut begin(&through, "warm", &exclusive())?, Duration::ZERO)?;
    for weather in [Weather::Lost { times: 1 }, Weather::Cut { after: 0, times: 1 }] {
        for meets in [false, true] {
            let id = format!("{weather:?} {meets}");
            let mut lease = begin(&through, &id, &exclusive())?;
            let reader = meets.then(|| acquire(&other, &id, &unlocked())).transpose().map_err(text)?;
            proxy.set(weather);
            end(&mut lease, Duration::ZERO)?;
            proxy.set(Weather::Fair);
            holds(&store, &id, None)?;
            if let Some(mut reader) = reader {
                left(&server, &id, &[":t"])?;
                writes_nothing(&store, &id, &mut reader)?;
            }
        }
    }
    Ok("with a lost request and with a lost answer".to_owned())
}
