//! An id that is replaced by another, as it stands on the server: what the header says, which answers may be lost on the
//! way, what becomes of it without the lock, without memory, and in the format before.

mod servers;

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_redis_store::{Lease, Store};
use cloakroom_seam::{Acquire, Committed, Destroyed, End, Look, Named, Over, Restore, Restored, Succession, Successor};
use servers::process::{Server, Settings};
use servers::proxy::{Proxy, Weather};
use servers::sessions::{LIFE, acquire, exclusive, holds, key, name_of, open, refused, says, stored, unlocked, write};
use servers::suite::{Case, Checked, case, run};
use servers::{Engine, temporary};

const CASES: &[Case] = &[
    case("a header names the successor", header),
    case("each step that is repeated is one step", repeated),
    case("a reservation is written with its lock alone", reservation),
    case("a retired session is known to have been one when it is gone", gone),
    case("a session that vanished before it was settled is not written back", vanished),
    case("an end that a slower clock numbered is one", slow_clock),
    case("whoever is replaced ends without memory", out_of_memory),
    case("a session of format 1 is read and written", format_1),
    case("a session of format 1 is replaced, ended and retired", format_1_ends),
    case("what a later version may write is left alone", later),
];

const RETIRE: End = End { tombstone: LIFE, grace: LIFE };
const AT_ONCE: End = End::at_once(LIFE);
/// Bytes of a header, and of one of format 1.
const HEADER: usize = 112;
const SHORT_HEADER: usize = 56;

fn main() -> ExitCode {
    run(CASES)
}

struct Site {
    server: Server,
    store: Arc<Store>,
    _dir: tempfile::TempDir,
}

impl Site {
    fn get(&self, id: &str) -> Result<Vec<u8>, String> {
        self.server.ask(&["GET", &name_of(id)])
    }

    /// Puts a value in the place of a session that is there, for the time that this one has left.
    fn put(&self, id: &str, value: &[u8]) -> Result<(), String> {
        let mut connection = self.server.connection().map_err(text)?;
        redis::cmd("SET").arg(name_of(id)).arg(value).arg("KEEPTTL").exec(&mut connection).map_err(text)
    }

    fn lives(&self, name: &str) -> Result<i64, String> {
        self.server.ask(&["PTTL", name])
    }

    /// Makes a session that is there one of format 1.
    fn set_back(&self, id: &str) -> Result<(), String> {
        let mut value = self.get(id)?;
        value.drain(SHORT_HEADER..HEADER);
        value[3] = 1;
        self.put(id, &value)
    }

    fn look(&self, id: &str) -> Result<Look, String> {
        self.store.look(&key(id)).map_err(text)
    }
}

fn site(engine: Engine) -> Result<Site, String> {
    let dir = temporary();
    let server = Server::start(engine, &dir.path().join("server"), &Settings::default())?;
    let store = open(&server.socket_url())?;
    Ok(Site { server, store, _dir: dir })
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// An error that says what is not so.
fn so(so: bool, what: &str) -> Result<(), String> {
    if so { Ok(()) } else { Err(format!("not so: {what}")) }
}

fn is<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{found:?} instead of {expected:?}")) }
}

/// The session of `id`, with its lock and unwritten, as one that takes another's place.
fn next(store: &Arc<Store>, id: &str) -> Result<(Lease, Successor), String> {
    let lease = acquire(store, id, &Acquire { drawn: true, ..exclusive() }).map_err(text)?;
    let successor = Successor { key: key(id), incarnation: lease.incarnation() };
    Ok((lease, successor))
}

/// A session, acquired without a lock, that names a successor, which is held.
fn named(store: &Arc<Store>, id: &str) -> Result<(Lease, Lease, Successor), String> {
    write(store, id, b"stored")?;
    let mut old = acquire(store, id, &unlocked()).map_err(text)?;
    let (new, successor) = next(store, &format!("{id}-next"))?;
    is(old.name(&successor, None).map_err(text)?, Named::Unchanged)?;
    Ok((old, new, successor))
}

fn header(engine: Engine) -> Checked {
    let site = site(engine)?;
    write(&site.store, "a", b"stored")?;
    let before = site.get("a")?;
    so(before.starts_with(b"CLK\x02\x01") && before.len() == HEADER + 6, "a header of format 2")?;
    so(before[SHORT_HEADER..HEADER].iter().all(|byte| *byte == 0), "what has no use yet is zero")?;
    let (_old, _new, successor) = named(&site.store, "a")?;
    let lives = site.lives(&name_of("a"))?;
    let found = site.get("a")?;
    so(found[4] == 3, "it lives and names a successor")?;
    so(found[56..72] == successor.key.to_bytes() && found[72..80] == successor.incarnation.to_le_bytes(), "this one")?;
    so(found[80..HEADER].iter().all(|byte| *byte == 0) && found[HEADER..] == *b"stored", "and nothing else")?;
    so(site.store.reinstate(&key("a"), &successor).map_err(text)?, "it is reinstated")?;
    let after = site.get("a")?;
    so(after[4] == 1 && after[SHORT_HEADER..HEADER].iter().all(|byte| *byte == 0), "nothing is left of the name")?;
    so(site.lives(&name_of("a"))? <= lives, "its lifetime is that of its last use")?;
    let (_old, _new, successor) = named(&site.store, "b")?;
    let grace = Duration::from_secs(60);
    site.store.settle(&key("b"), &successor, End { tombstone: LIFE, grace }).map_err(text)?;
    let found = site.get("b")?;
    so(found[4] == 2 && found[56..72] == successor.key.to_bytes(), "retired, and its successor known")?;
    let lives = site.lives(&name_of("b"))?;
    so((50_000..=60_000).contains(&lives), "for the time of its grace")?;
    let tombstone = site.lives(&format!("{}:t", name_of("b")))?;
    so(tombstone > 3_500_000, "its end is remembered")?;
    Ok(format!("a retired session lives {lives} ms"))
}

/// Does something whose request or answer is lost once.
fn through<T>(proxy: &Proxy, weather: Weather, work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    proxy.set(weather);
    let done = work();
    proxy.set(Weather::Fair);
    done
}

fn repeated(engine: Engine) -> Checked {
    let site = site(engine)?;
    let proxy = Proxy::to(site.server.socket()).map_err(text)?;
    let store = open(&format!("redis://127.0.0.1:{}", proxy.port))?;
    // The scripts are loaded, and the connection is there.
    let (mut old, _new, successor) = named(&store, "warm")?;
    so(old.is_over().map_err(text)?, "its id is replaced")?;
    so(store.reinstate(&key("warm"), &successor).map_err(text)?, "it is reinstated")?;
    store.settle(&key("warm"), &successor, RETIRE).map_err(text)?;
    store.destroy(&key("warm"), AT_ONCE).map_err(text)?;
    for weather in [Weather::Lost { times: 1 }, Weather::Cut { after: 0, times: 1 }] {
        let id = format!("{weather:?}");
        write(&store, &id, b"stored")?;
        let mark = store.look(&key(&id)).map_err(text)?.mark;
        let mut old = acquire(&store, &id, &unlocked()).map_err(text)?;
        let (mut new, successor) = next(&store, &format!("{id}-next"))?;
        write(&site.store, &id, b"newer")?;
        let name = through(&proxy, weather, || old.name(&successor, None).map_err(text))?;
        is(name, Named::VersionChanged)?;
        is(old.payload(), b"newer")?;
        // The same once more, when it holds what was read.
        is(through(&proxy, weather, || old.name(&successor, None).map_err(text))?, Named::Unchanged)?;
        so(through(&proxy, weather, || old.is_over().map_err(text))?, "its id is replaced")?;
        let commit = || new.commit(b"new", LIFE, Over::Reservation).map_err(text);
        is(through(&proxy, weather, commit)?, Committed::Stored)?;
        through(&proxy, weather, || store.settle(&key(&id), &successor, RETIRE).map_err(text))?;
        so(site.look(&id)?.succession == Succession::Retired(successor), "settled once")?;
        let end = || store.destroy_since(&key(&id), &mark, AT_ONCE).map_err(text);
        is(through(&proxy, weather, end)?, Destroyed::Before)?;
        holds(&store, &format!("{id}-next"), Some(b"new"))?;

        // A repeated end is the one that was made.
        let id = format!("{id} ends");
        let mark = store.look(&key(&id)).map_err(text)?.mark;
        let end = |id: &str, mark| store.destroy_since(&key(id), &mark, AT_ONCE).map_err(text);
        is(through(&proxy, weather, || end(&id, mark))?, Destroyed::Absent)?;
        write(&store, &id, b"stored")?;
        let mark = store.look(&key(&id)).map_err(text)?.mark;
        is(through(&proxy, weather, || end(&id, mark))?, Destroyed::Now)?;
        is(end(&id, mark)?, Destroyed::Before)?;
    }
    Ok("with a lost request and with a lost answer".to_owned())
}

fn reservation(engine: Engine) -> Checked {
    let site = site(engine)?;
    let (store, server) = (&site.store, &site.server);
    let lock = |id: &str| format!("{}:l", name_of(id));
    let lost = |outcome| says(&refused("a commit without the lock", outcome)?, &["lock was lost"]);
    // Nobody has the lock.
    let (mut lease, _) = next(store, "nobody")?;
    server.ask::<u64>(&["DEL", &lock("nobody")])?;
    lost(lease.commit(b"mine", LIFE, Over::Reservation))?;
    so(!site.look("nobody")?.is_written, "nothing is written")?;
    // Somebody else has it.
    let (mut lease, _) = next(store, "other")?;
    server.ask::<u64>(&["DEL", &lock("other")])?;
    let other = open(&server.socket_url())?;
    let mut theirs = acquire(&other, "other", &exclusive()).map_err(text)?;
    lost(lease.commit(b"mine", LIFE, Over::Reservation))?;
    so(!site.look("other")?.is_written, "nothing is written")?;
    stored(theirs.commit(b"theirs", LIFE, Over::WhatWasRead))?;
    holds(store, "other", Some(b"theirs"))?;
    // It vanished with its lock, and without it.
    let (mut lease, _) = next(store, "vanished")?;
    server.ask::<u64>(&["DEL", &lock("vanished"), &name_of("vanished")])?;
    lost(lease.commit(b"mine", LIFE, Over::Reservation))?;
    so(site.look("vanished")?.payload.is_none(), "nothing is written")?;
    let (mut lease, _) = next(store, "dropped")?;
    server.ask::<u64>(&["DEL", &name_of("dropped")])?;
    stored(lease.commit(b"mine", LIFE, Over::Reservation))?;
    holds(store, "dropped", Some(b"mine"))?;
    // It was ended: that comes first.
    let (mut lease, _) = next(store, "ended")?;
    server.ask::<u64>(&["DEL", &lock("ended")])?;
    store.destroy(&key("ended"), AT_ONCE).map_err(text)?;
    is(lease.commit(b"mine", LIFE, Over::Reservation).map_err(text)?, Committed::Ended)?;
    // A commit of what was read still goes through without the lock where nobody wrote.
    let (mut lease, _) = next(store, "read")?;
    server.ask::<u64>(&["DEL", &lock("read")])?;
    stored(lease.commit(b"mine", LIFE, Over::WhatWasRead))?;
    Ok("and else refused".to_owned())
}

fn gone(engine: Engine) -> Checked {
    let site = site(engine)?;
    let store = &site.store;
    for reader in ["look", "lease", "lease since"] {
        let (_old, _new, successor) = named(store, reader)?;
        store.settle(&key(reader), &successor, RETIRE).map_err(text)?;
        let since = Some(site.look(reader)?.mark);
        let mark = match reader {
            "look" => site.look(reader)?.mark,
            "lease" => acquire(store, reader, &exclusive()).map_err(text)?.mark(),
            _ => acquire(store, reader, &Acquire { since, ..unlocked() }).map_err(text)?.mark(),
        };
        // As when its grace is over.
        site.server.ask::<u64>(&["DEL", &name_of(reader)])?;
        let mut late = acquire(store, reader, &Acquire { since: Some(mark), ..exclusive() }).map_err(text)?;
        is(late.commit(b"back again", LIFE, Over::Anything).map_err(text)?, Committed::Ended)?;
        is(store.destroy_since(&key(reader), &mark, AT_ONCE).map_err(text)?, Destroyed::Before)?;
        // When that is forgotten, nobody is known to have ended it.
        site.server.ask::<u64>(&["DEL", &format!("{}:t", name_of(reader))])?;
        is(store.destroy_since(&key(reader), &mark, AT_ONCE).map_err(text)?, Destroyed::Absent)?;
    }
    Ok("by a look and by leases".to_owned())
}

fn vanished(engine: Engine) -> Checked {
    let site = site(engine)?;
    let store = &site.store;
    let (mut old, mut new, successor) = named(store, "s")?;
    let mark = site.look("s")?.mark;
    site.server.ask::<u64>(&["DEL", &name_of("s")])?;
    so(!old.is_over().map_err(text)?, "nobody is known to have ended it")?;
    stored(new.commit(b"new", LIFE, Over::Reservation))?;
    store.settle(&key("s"), &successor, RETIRE).map_err(text)?;
    so(old.is_over().map_err(text)?, "its id is replaced")?;
    is(old.commit(b"back again", LIFE, Over::Anything).map_err(text)?, Committed::Ended)?;
    is(store.destroy_since(&key("s"), &mark, AT_ONCE).map_err(text)?, Destroyed::Before)?;
    holds(store, "s", None)?;
    Ok("and its end is remembered".to_owned())
}

/// After a fail-over to a server whose clock is behind, the number of an end can be no more than that of the life it ended.
fn slow_clock(engine: Engine) -> Checked {
    let site = site(engine)?;
    let store = &site.store;
    write(store, "s", b"stored")?;
    let mark = site.look("s")?.mark;
    let mut lease = acquire(store, "s", &unlocked()).map_err(text)?;
    let (_new, successor) = next(store, "s-next")?;
    store.destroy(&key("s"), AT_ONCE).map_err(text)?;
    let number = lease.incarnation().to_le_bytes();
    let mut connection = site.server.connection().map_err(text)?;
    redis::cmd("SETRANGE")
        .arg(format!("{}:t", name_of("s")))
        .arg(0)
        .arg(&number[..])
        .exec(&mut connection)
        .map_err(text)?;
    so(lease.is_over().map_err(text)?, "it is over")?;
    is(lease.name(&successor, None).map_err(text)?, Named::Over)?;
    is(store.destroy_since(&key("s"), &mark, AT_ONCE).map_err(text)?, Destroyed::Before)?;
    // Without any tombstone it vanished.
    site.server.ask::<u64>(&["DEL", &format!("{}:t", name_of("s"))])?;
    so(!lease.is_over().map_err(text)?, "nobody is known to have ended it")?;
    is(lease.name(&successor, None).map_err(text)?, Named::Vanished)?;
    Ok("it ends what it ended".to_owned())
}

fn out_of_memory(engine: Engine) -> Checked {
    let site = site(engine)?;
    let store = &site.store;
    let limit = |bytes: &str| site.server.ask::<String>(&["CONFIG", "SET", "maxmemory", bytes]);
    site.server.ask::<String>(&["CONFIG", "SET", "maxmemory-policy", "noeviction"])?;
    let (mut first, _new, one) = named(store, "ends")?;
    let (mut second, _other, two) = named(store, "retires")?;
    write(store, "old", b"stored")?;
    site.set_back("old")?;
    limit("1")?;
    store.settle(&key("ends"), &one, AT_ONCE).map_err(text)?;
    store.settle(&key("retires"), &two, RETIRE).map_err(text)?;
    so(first.is_over().map_err(text)? && second.is_over().map_err(text)?, "both are over")?;
    // Whoever logs out of a session of format 1 can do so.
    store.destroy(&key("old"), RETIRE).map_err(text)?;
    so(matches!(site.look("old")?.succession, Succession::Retired(_)), "retired")?;
    store.destroy(&key("old"), AT_ONCE).map_err(text)?;
    limit("0")?;
    holds(store, "ends", None)?;
    holds(store, "retires", Some(b"stored"))?;
    holds(store, "old", None)?;
    Ok("at once and with a grace".to_owned())
}

fn format_1(engine: Engine) -> Checked {
    let site = site(engine)?;
    let store = &site.store;
    let is_format = |id: &str, format: u8| so(site.get(id)?[3] == format, &format!("format {format}"));
    for id in ["locked", "unlocked", "touched", "empty"] {
        write(store, id, if id == "empty" { b"" } else { b"stored" })?;
        site.set_back(id)?;
    }
    // Looking at it in any way changes nothing.
    for id in ["locked", "unlocked", "touched", "empty"] {
        let found = site.look(id)?;
        so(found.is_written && found.succession == Succession::None, "written, and replaced by none")?;
        let (entry, payload) = store.inspect(&key(id)).map_err(text)?.ok_or("it is there")?;
        so(found.payload == Some(payload) && entry.incarnation == found.incarnation && !entry.retired, "the same")?;
        so(!store.is_vacant(&key(id)).map_err(text)?, "no place for another")?;
        drop(acquire(store, id, &exclusive()).map_err(text)?);
        is_format(id, 1)?;
    }
    let mut sizes = Vec::new();
    let walked = store.walk(|entry| {
        sizes.push(entry.size);
        ControlFlow::Continue(())
    });
    walked.map_err(text)?;
    sizes.sort_unstable();
    is(sizes, vec![0, 6, 6, 6])?;
    let session = Restored { payload: b"elsewhere", created: 0, lifetime: LIFE, returned: true };
    is(store.restore(&key("locked"), &session).map_err(text)?, Restore::Exists)?;
    is(store.migrate_in(&key("locked"), &session).map_err(text)?, Restore::Exists)?;
    // Each write leaves format 2, in the same life.
    for (id, how) in [("locked", exclusive()), ("unlocked", unlocked()), ("empty", exclusive())] {
        let before = site.look(id)?;
        let mut lease = acquire(store, id, &how).map_err(text)?;
        so(!lease.is_new() && Some(lease.payload()) == before.payload.as_deref(), "read")?;
        stored(lease.commit(b"newer", LIFE, Over::WhatWasRead))?;
        is_format(id, 2)?;
        so(site.look(id)?.incarnation == before.incarnation, "the same life")?;
        holds(store, id, Some(b"newer"))?;
    }
    // A commit that finds another version reads format 1 as well.
    write(store, "changed", b"first")?;
    let mut lease = acquire(store, "changed", &unlocked()).map_err(text)?;
    write(store, "changed", b"second")?;
    site.set_back("changed")?;
    is(lease.commit(b"mine", LIFE, Over::WhatWasRead).map_err(text)?, Committed::VersionChanged)?;
    is(lease.payload(), b"second")?;
    stored(lease.commit(b"both", LIFE, Over::WhatWasRead))?;
    holds(store, "changed", Some(b"both"))?;
    // A touch keeps the payload and gives the lifetime.
    let mut lease = acquire(store, "touched", &exclusive()).map_err(text)?;
    is(lease.touch(b"stored", 2 * LIFE).map_err(text)?, Committed::Stored)?;
    is_format("touched", 2)?;
    holds(store, "touched", Some(b"stored"))?;
    so(site.lives(&name_of("touched"))? > 5_400_000, "for as long as it was touched for")?;
    // One that is only reserved is one.
    drop(acquire(store, "reserved", &exclusive()).map_err(text)?);
    site.set_back("reserved")?;
    so(!site.look("reserved")?.is_written && store.is_vacant(&key("reserved")).map_err(text)?, "vacant")?;
    is(store.migrate_in(&key("reserved"), &session).map_err(text)?, Restore::Stored)?;
    is_format("reserved", 2)?;
    holds(store, "reserved", Some(b"elsewhere"))?;
    Ok("and left in format 2".to_owned())
}

fn format_1_ends(engine: Engine) -> Checked {
    let site = site(engine)?;
    let store = &site.store;
    for id in ["replaced", "ended", "retired"] {
        write(store, id, b"stored")?;
        site.set_back(id)?;
    }
    let lives = site.lives(&name_of("replaced"))?;
    let mut old = acquire(store, "replaced", &exclusive()).map_err(text)?;
    let (_new, successor) = next(store, "successor")?;
    is(old.name(&successor, None).map_err(text)?, Named::Unchanged)?;
    let found = site.look("replaced")?;
    so(found.succession == Succession::Named(successor) && found.payload.as_deref() == Some(b"stored"), "it names it")?;
    so((1..=lives).contains(&site.lives(&name_of("replaced"))?), "its lifetime is that of its last use")?;
    is(old.commit(b"late", LIFE, Over::Anything).map_err(text)?, Committed::Ended)?;
    let mark = site.look("ended")?.mark;
    is(store.destroy_since(&key("ended"), &mark, AT_ONCE).map_err(text)?, Destroyed::Now)?;
    // One that was retired in format 1: nobody knows its successor any more.
    so(store.destroy(&key("retired"), RETIRE).map_err(text)?, "it lived")?;
    let found = site.look("retired")?;
    let Succession::Retired(Successor { incarnation: 0, .. }) = found.succession else {
        return Err("it has a successor".to_owned());
    };
    so(found.payload.as_deref() == Some(b"stored") && site.get("retired")?[3] == 1, "read as it is")?;
    let mut late = acquire(store, "retired", &exclusive()).map_err(text)?;
    so(late.is_over().map_err(text)?, "over")?;
    is(late.commit(b"late", LIFE, Over::Anything).map_err(text)?, Committed::Ended)?;
    is(store.destroy_since(&key("retired"), &found.mark, AT_ONCE).map_err(text)?, Destroyed::Before)?;
    holds(store, "retired", None)?;
    Ok("as one of format 2".to_owned())
}

fn later(engine: Engine) -> Checked {
    let site = site(engine)?;
    let store = &site.store;
    let wanted = &["was left as it is"][..];
    let mut met = 0;
    // The format, the state, the key that the payload is sealed with, what stands before it.
    for (at, byte) in [(3, 3), (4, 0), (4, 4), (7, 1), (108, 1), (111, 1)] {
        let id = &format!("{at}-{byte}");
        write(store, id, b"stored")?;
        let mut leases = Vec::new();
        for _ in 0..4 {
            leases.push(acquire(store, id, &unlocked()).map_err(text)?);
        }
        let (_new, successor) = next(store, &format!("{id}-next"))?;
        let mark = site.look(id)?.mark;
        let mut value = site.get(id)?;
        value[at] = byte;
        site.put(id, &value)?;
        let key = key(id);
        says(&refused("look", store.look(&key))?, wanted)?;
        says(&refused("acquire", acquire(store, id, &exclusive()))?, wanted)?;
        says(&refused("destroy", store.destroy(&key, AT_ONCE))?, wanted)?;
        says(&refused("destroy since", store.destroy_since(&key, &mark, AT_ONCE))?, wanted)?;
        says(&refused("settle", store.settle(&key, &successor, AT_ONCE))?, wanted)?;
        says(&refused("reinstate", store.reinstate(&key, &successor))?, wanted)?;
        says(&refused("commit", leases[0].commit(b"lost", LIFE, Over::Anything))?, wanted)?;
        says(&refused("touch", leases[1].touch(b"stored", LIFE))?, wanted)?;
        says(&refused("name", leases[2].name(&successor, None))?, wanted)?;
        says(&refused("is over", leases[3].is_over())?, wanted)?;
        so(store.inspect(&key).is_err() && !store.is_vacant(&key).map_err(text)?, "no session, and no place for one")?;
        so(site.get(id)? == value, "left as it was")?;
        met += 1;
    }
    Ok(format!("{met} values"))
}
