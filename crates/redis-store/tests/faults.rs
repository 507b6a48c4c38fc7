//! What goes wrong with one server: each fault with the words in which a request hears of it, what is stored afterwards,
//! and in the time that the address allows.

mod servers;

use std::process::ExitCode;
use std::time::Duration;

use cloakroom_redis_store::Counter;
use cloakroom_seam::{Acquire, Committed, End, Over};
use servers::process::{Server, Settings};
use servers::proxy::{Proxy, Weather};
use servers::sessions::{
    LIFE, acquire, counted, exclusive, holds, key, name_of, name_on, open, refused, says, stored, unlocked, within,
    write,
};
use servers::suite::{Case, Checked, case, run, timed};
use servers::{Engine, temporary, wait_for};

/// What connecting and answering may take together, with the options in `URL_OPTIONS`.
const LIMIT: Duration = Duration::from_millis(600);
const OPTIONS: &str = "connect_timeout=0.3&timeout=0.3";

const CASES: &[Case] = &[
    timed("the server is down at the start", down_at_start),
    timed("the server is killed between read and write", killed_between),
    case("the server is started again, empty, between read and write", restarted_empty),
    case("the server goes back to an older state between read and write", gone_back),
    case("the server forgets its scripts", scripts_flushed),
    timed("the server is a replica, or becomes one", replica),
    timed("the server is out of memory", out_of_memory),
    timed("the server is stopped", stopped),
    timed("the server is stopped, or dies, while a request waits for the lock", trouble_while_waiting),
    timed("the server accepts and says nothing", silent),
    case("an answer breaks off", cut_answers),
    case("something else is stored under our names", foreign),
    case("a stored session is damaged", damaged),
    case("a stale connection is replaced", stale),
];

fn main() -> ExitCode {
    run(CASES)
}

/// A server, and a store on it with short timeouts.
struct Site {
    server: Server,
    store: std::sync::Arc<cloakroom_redis_store::Store>,
    _dir: tempfile::TempDir,
}

fn site(engine: Engine) -> Result<Site, String> {
    let dir = temporary();
    let server = Server::start(engine, &dir.path().join("server"), &Settings::default())?;
    let store = open(&format!("{}?{OPTIONS}", server.socket_url()))?;
    Ok(Site { server, store, _dir: dir })
}

fn down_at_start(engine: Engine) -> Checked {
    let Site { mut server, store, _dir } = site(engine)?;
    let port = open(&format!("{}?{OPTIONS}", server.url()))?;
    server.kill();
    for store in [&store, &port] {
        let failed = within("acquire", LIMIT, || acquire(store, "s", &exclusive()))?;
        let text = refused("acquire", failed)?;
        says(&text, &["cannot be reached", "check that it runs"])?;
        let place = store.location();
        let place = place.split("//").nth(1).unwrap_or_default().to_owned();
        says(&text, &[&place])?;
        refused("exists", within("exists", LIMIT, || store.exists(&key("s")))?)?;
        refused("snapshot", within("snapshot", LIMIT, || store.snapshot(&key("s")))?)?;
        let ended = within("destroy", LIMIT, || store.destroy(&key("s"), End::at_once(LIFE)))?;
        refused("destroy", ended)?;
        refused("status", within("status", LIMIT, || store.status())?)?;
    }
    server.run()?;
    write(&store, "s", b"after")?;
    holds(&store, "s", Some(b"after"))?;
    Ok("and works once it is there".to_owned())
}

fn killed_between(engine: Engine) -> Checked {
    let Site { mut server, store, _dir } = site(engine)?;
    write(&store, "s", b"before")?;
    let mut lease = acquire(&store, "s", &exclusive()).map_err(|error| error.to_string())?;
    server.kill();
    let text = refused("commit", within("commit", LIMIT, || lease.commit(b"lost", LIFE, Over::Anything))?)?;
    says(&text, &["cannot be reached"])?;
    within("release", LIMIT, move || drop(lease))?;
    server.run()?;
    holds(&store, "s", None)?;
    write(&store, "s", b"after")?;
    Ok(text)
}

fn restarted_empty(engine: Engine) -> Checked {
    let Site { mut server, store, _dir } = site(engine)?;
    write(&store, "s", b"before")?;
    let mut writes = acquire(&store, "s", &exclusive()).map_err(|error| error.to_string())?;
    let mut touches = acquire(&store, "t", &exclusive()).map_err(|error| error.to_string())?;
    server.kill();
    server.run()?;
    stored(writes.commit(b"after", LIFE, Over::Anything))?;
    stored(touches.touch(b"as it was", LIFE))?;
    holds(&store, "s", Some(b"after"))?;
    holds(&store, "t", Some(b"as it was"))?;
    match counted(&store, "rewritten")? {
        2 => Ok("both requests stored what they had, which is counted".to_owned()),
        number => Err(format!("{number} sessions are counted as written again instead of 2")),
    }
}

/// After a fail-over to a server that lacked the last commit, another request writes the next one. It has the version that
/// the first request has read, and is not what it has read.
fn gone_back(engine: Engine) -> Checked {
    let Site { server, store, _dir } = site(engine)?;
    write(&store, "s", b"one")?;
    let name = name_of("s");
    let older: Vec<u8> = server.ask(&["DUMP", &name])?;
    write(&store, "s", b"two, which is lost")?;
    let mut exclusive_lease = acquire(&store, "s", &exclusive()).map_err(|error| error.to_string())?;
    let mut merging_lease = acquire(&store, "s", &unlocked()).map_err(|error| error.to_string())?;
    let mut connection = server.connection().map_err(|error| error.to_string())?;
    let mut restore = redis::cmd("RESTORE");
    restore.arg(&name).arg(3_600_000).arg(&older).arg("REPLACE");
    restore.exec(&mut connection).map_err(|error| error.to_string())?;
    server.ask::<u64>(&["DEL", &format!("{name}:l")])?;
    // This thread holds the lock for all it knows.
    std::thread::scope(|scope| {
        scope.spawn(|| write(&store, "s", b"two, of another request")).join().expect("no panic")
    })?;
    let text = refused("commit", exclusive_lease.commit(b"three", LIFE, Over::Anything))?;
    says(&text, &["lock was lost"])?;
    match merging_lease.commit(b"three", LIFE, Over::WhatWasRead) {
        Ok(Committed::VersionChanged) if merging_lease.payload() == b"two, of another request" => {}
        other => return Err(format!("without a lock the commit was answered {other:?}")),
    }
    stored(merging_lease.commit(b"merged", LIFE, Over::WhatWasRead))?;
    holds(&store, "s", Some(b"merged"))?;
    Ok(text)
}

fn scripts_flushed(engine: Engine) -> Checked {
    let Site { server, store, _dir } = site(engine)?;
    let flush = || server.ask::<String>(&["SCRIPT", "FLUSH"]);
    write(&store, "s", b"0")?;
    for round in ["1", "2", "3"] {
        flush()?;
        let mut lease = acquire(&store, "s", &exclusive()).map_err(|error| error.to_string())?;
        flush()?;
        stored(lease.commit(round.as_bytes(), LIFE, Over::Anything))?;
        flush()?;
        holds(&store, "s", Some(round.as_bytes()))?;
    }
    flush()?;
    store.destroy(&key("s"), End::at_once(LIFE)).map_err(|error| error.to_string())?;
    holds(&store, "s", None)?;
    Ok("before each step".to_owned())
}

fn replica(engine: Engine) -> Checked {
    let Site { server, store, _dir } = site(engine)?;
    write(&store, "s", b"before")?;
    let mut lease = acquire(&store, "s", &exclusive()).map_err(|error| error.to_string())?;
    // Of a master that is nowhere: what it holds stays.
    server.ask::<String>(&["REPLICAOF", "127.0.0.1", "1"])?;
    let text = refused("commit", within("commit", LIMIT, || lease.commit(b"lost", LIFE, Over::Anything))?)?;
    says(&text, &["it is a replica", "redis-sentinel://"])?;
    within("release", LIMIT, move || drop(lease))?;
    let text = refused("acquire", within("acquire", LIMIT, || acquire(&store, "s", &exclusive()))?)?;
    says(&text, &["it is a replica", "redis-sentinel://"])?;
    server.ask::<String>(&["REPLICAOF", "NO", "ONE"])?;
    holds(&store, "s", Some(b"before"))?;
    Ok(text)
}

fn out_of_memory(engine: Engine) -> Checked {
    let Site { server, store, _dir } = site(engine)?;
    let limit = |bytes: &str| server.ask::<String>(&["CONFIG", "SET", "maxmemory", bytes]);
    server.ask::<String>(&["CONFIG", "SET", "maxmemory-policy", "noeviction"])?;
    write(&store, "s", b"before")?;
    let mut lease = acquire(&store, "s", &exclusive()).map_err(|error| error.to_string())?;
    limit("1")?;
    let text = refused("commit", within("commit", LIMIT, || lease.commit(b"lost", LIFE, Over::Anything))?)?;
    says(&text, &["out of memory", "raise maxmemory"])?;
    within("release", LIMIT, move || drop(lease))?;
    holds(&store, "s", Some(b"before"))?;
    let text = refused("acquire", within("acquire", LIMIT, || acquire(&store, "new", &exclusive()))?)?;
    says(&text, &["out of memory", "raise maxmemory"])?;
    // Whoever logs out can do so.
    limit("0")?;
    write(&store, "retired", b"readable")?;
    limit("1")?;
    store.destroy(&key("s"), End::at_once(LIFE)).map_err(|error| format!("destroy: {error}"))?;
    store
        .destroy(&key("retired"), End { tombstone: LIFE, grace: LIFE })
        .map_err(|error| format!("destroy with a grace: {error}"))?;
    holds(&store, "s", None)?;
    holds(&store, "retired", Some(b"readable"))?;
    limit("0")?;
    write(&store, "s", b"after")?;
    Ok(text)
}

fn stopped(engine: Engine) -> Checked {
    let Site { server, store, _dir } = site(engine)?;
    write(&store, "s", b"before")?;
    let mut lease = acquire(&store, "s", &exclusive()).map_err(|error| error.to_string())?;
    server.pause();
    let text = refused("commit", within("commit", LIMIT, || lease.commit(b"late", LIFE, Over::Anything))?)?;
    says(&text, &["did not answer within 0.3 s", "raise timeout="])?;
    within("release", LIMIT, move || drop(lease))?;
    let fresh = open(&format!("{}?{OPTIONS}", server.url()))?;
    for store in [&store, &fresh] {
        let text = refused("acquire", within("acquire", LIMIT, || acquire(store, "s", &exclusive()))?)?;
        says(&text, &["did not answer"])?;
        refused("exists", within("exists", LIMIT, || store.exists(&key("s")))?)?;
    }
    server.resume();
    // What was sent before the time was over is done now, in its turn: all of it or nothing.
    wait_for("the server catches up", Duration::from_secs(5), || store.exists(&key("s")).ok())?;
    let (payload, _) = store.snapshot(&key("s")).map_err(|error| error.to_string())?;
    match payload.as_deref() {
        Some(b"before" | b"late") => {}
        other => return Err(format!("afterwards it holds {other:?}")),
    }
    // The locks of the requests that gave up while the server slept run out by themselves.
    let how = Acquire { wait: Duration::from_secs(15), ..exclusive() };
    let mut lease = acquire(&store, "s", &how).map_err(|error| format!("afterwards: {error}"))?;
    stored(lease.commit(b"after", LIFE, Over::Anything))?;
    Ok(text)
}

fn trouble_while_waiting(engine: Engine) -> Checked {
    const WAIT: Duration = Duration::from_millis(500);
    let Site { mut server, store, _dir } = site(engine)?;
    let lease = acquire(&store, "s", &exclusive()).map_err(|error| error.to_string())?;
    let how = Acquire { wait: WAIT, ..exclusive() };
    // This thread has the lock, so that only others can wait.
    let waits = |trouble: &mut dyn FnMut(&mut Server) -> Result<(), String>, server: &mut Server| {
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| within("acquire", WAIT + LIMIT, || acquire(&store, "s", &how).map(drop)));
            let queue = format!("{}:q", name_of("s"));
            let queued = wait_for("the waiter is in the queue", Duration::from_secs(5), || {
                (server.ask::<u64>(&["LLEN", &queue]) == Ok(1)).then_some(())
            });
            queued.and_then(|()| trouble(server))?;
            refused("acquire", waiting.join().expect("no panic")?)
        })
    };
    let locked = waits(&mut |_| Ok(()), &mut server)?;
    says(&locked, &["the session is locked"])?;
    let stopped = waits(
        &mut |server| {
            server.pause();
            Ok(())
        },
        &mut server,
    )?;
    says(&stopped, &["did not answer within"])?;
    server.resume();
    server.ask::<String>(&["PING"])?;
    // The waiter that gave up may be in the queue still; it is not waited for.
    server.ask::<u64>(&["DEL", &format!("{}:q", name_of("s"))])?;
    let killed = waits(
        &mut |server| {
            server.kill();
            Ok(())
        },
        &mut server,
    )?;
    says(&killed, &["cannot be reached"])?;
    within("release", LIMIT, move || drop(lease))?;
    Ok(stopped)
}

fn silent(engine: Engine) -> Checked {
    let Site { server, store, _dir } = site(engine)?;
    write(&store, "s", b"before")?;
    let proxy = Proxy::to(server.socket()).map_err(|error| error.to_string())?;
    let through = open(&format!("{}://127.0.0.1:{}?{OPTIONS}", engine.name(), proxy.port))?;
    proxy.set(Weather::Silent);
    let text = refused("acquire", within("acquire", LIMIT, || acquire(&through, "s", &exclusive()))?)?;
    says(&text, &["cannot be reached: it did not answer in time"])?;
    proxy.set(Weather::Fair);
    let mut lease = acquire(&through, "s", &exclusive()).map_err(|error| error.to_string())?;
    proxy.set(Weather::Slow(LIMIT));
    let text = refused("commit", within("commit", LIMIT, || lease.commit(b"late", LIFE, Over::Anything))?)?;
    says(&text, &["did not answer within 0.3 s"])?;
    proxy.set(Weather::Fair);
    drop(lease);
    wait_for("the late commit is done", Duration::from_secs(5), || holds(&store, "s", Some(b"late")).ok())?;
    Ok(text)
}

/// Each call must be repeated once, to the same effect as without the break, and no more than once.
fn cut_answers(engine: Engine) -> Checked {
    let Site { server, store, _dir } = site(engine)?;
    let proxy = Proxy::to(server.socket()).map_err(|error| error.to_string())?;
    let through = open(&format!("{}://127.0.0.1:{}", engine.name(), proxy.port))?;
    // So that a connection is there, whose first answer is not the one that breaks.
    write(&through, "warm", b"")?;
    let mut breaks = 0;
    let storms = |times| [Weather::Lost { times }, Weather::Cut { after: 0, times }, Weather::Cut { after: 1, times }];
    for (round, weather) in storms(1).into_iter().enumerate() {
        let (id, name) = (format!("s{round}"), format!("{weather:?}"));
        let mut strike = || {
            proxy.set(weather);
            breaks += 1;
        };
        let failed = |what: &str, error: String| format!("{name}, {what}: {error}");
        strike();
        let mut lease = acquire(&through, &id, &exclusive()).map_err(|error| failed("acquire", error.to_string()))?;
        if !lease.is_new() {
            return Err(failed("acquire", "a repeated reservation is not new".to_owned()));
        }
        strike();
        stored(lease.commit(b"one", LIFE, Over::WhatWasRead)).map_err(|error| failed("commit", error))?;
        let version = lease.version();
        strike();
        let lease = acquire(&through, &id, &unlocked()).map_err(|error| failed("acquire", error.to_string()))?;
        if lease.payload() != b"one" || lease.version() != version {
            return Err(failed("commit", "the commit was made more or less than once".to_owned()));
        }
        drop(lease);
        let mut lease = acquire(&through, &id, &exclusive()).map_err(|error| failed("acquire", error.to_string()))?;
        strike();
        stored(lease.touch(b"one", LIFE)).map_err(|error| failed("touch", error))?;
        strike();
        holds(&through, &id, Some(b"one")).map_err(|error| failed("snapshot", error))?;
        strike();
        through.destroy(&key(&id), End::at_once(LIFE)).map_err(|error| failed("destroy", error.to_string()))?;
        holds(&through, &id, None)?;
        strike();
        drop(acquire(&through, &id, &exclusive()).map_err(|error| failed("acquire", error.to_string()))?);
        let lock = format!("{}:l", name_of(&id));
        if server.ask::<bool>(&["EXISTS", &lock])? {
            return Err(failed("release", "the lock is left".to_owned()));
        }
    }
    for weather in storms(2) {
        write(&through, "s", b"before")?;
        let mut lease = acquire(&through, "s", &exclusive()).map_err(|error| error.to_string())?;
        proxy.set(weather);
        let text = refused("commit", lease.commit(b"twice", LIFE, Over::Anything))?;
        says(&text, &["broke twice before it answered"]).map_err(|error| format!("{weather:?}: {error}"))?;
        proxy.set(Weather::Fair);
        drop(lease);
        let reached = !matches!(weather, Weather::Lost { .. });
        holds(&store, "s", Some(if reached { b"twice" } else { b"before" }))?;
        server.ask::<u64>(&["DEL", &format!("{}:l", name_of("s"))])?;
    }
    Ok(format!("{breaks} single breaks without consequence"))
}

fn foreign(engine: Engine) -> Checked {
    let Site { server, store, _dir } = site(engine)?;
    write(&store, "s", b"before")?;
    let name = name_on(&server)?;
    if name != name_of("s") {
        return Err("the session is not stored under the name that the tests know".to_owned());
    }
    let ask = |words: &[&str]| server.ask::<redis::Value>(words).map(drop);
    let dump = |name: &str| server.ask::<Vec<u8>>(&["DUMP", name]);
    let whole: Vec<u8> = server.ask(&["GET", &name])?;
    let truncated = String::from_utf8_lossy(&whole[..20]).into_owned();
    let strangers: [&[&str]; 5] = [
        &["SET", &name, "a:1:{s:3:\"foo\";i:1;}"],
        &["SET", &name, ""],
        &["SET", &name, &truncated],
        &["RPUSH", &name, "element"],
        &["HSET", &name, "field", "value"],
    ];
    for stranger in strangers {
        ask(&["DEL", &name])?;
        ask(stranger)?;
        let before = dump(&name)?;
        let text = refused("acquire", acquire(&store, "s", &exclusive()))?;
        let wanted = ["was left as it is", "prefix="];
        says(&text, &wanted)?;
        says(&refused("without a lock", acquire(&store, "s", &unlocked()))?, &wanted)?;
        says(&refused("snapshot", store.snapshot(&key("s")))?, &wanted)?;
        says(&refused("destroy", store.destroy(&key("s"), End::at_once(LIFE)))?, &wanted)?;
        if dump(&name)? != before {
            return Err(format!("{} was changed", stranger[0]));
        }
        if server.ask::<bool>(&["EXISTS", &format!("{name}:l")])? {
            return Err("the lock is left".to_owned());
        }
    }
    // It comes while a request has the session.
    ask(&["DEL", &name])?;
    let mut lease = acquire(&store, "s", &exclusive()).map_err(|error| error.to_string())?;
    ask(&["SET", &name, "not ours"])?;
    says(&refused("commit", lease.commit(b"lost", LIFE, Over::Anything))?, &["was left as it is"])?;
    drop(lease);
    if server.ask::<String>(&["GET", &name])? != "not ours" {
        return Err("a commit replaced something foreign".to_owned());
    }
    ask(&["DEL", &name])?;
    // Under the names of what goes with a session.
    for (ending, command) in [(":l", "RPUSH"), (":q", "SET"), (":t", "RPUSH")] {
        let beside = format!("{name}{ending}");
        ask(&[command, &beside, "not ours"])?;
        let before = dump(&beside)?;
        says(&refused("acquire", acquire(&store, "s", &exclusive()))?, &["of another type", "prefix="])?;
        if dump(&beside)? != before {
            return Err(format!("what stands under a name that ends in {ending} was changed"));
        }
        ask(&["DEL", &beside])?;
    }
    write(&store, "s", b"after")?;
    let corrupt = counted(&store, "corrupt")?;
    if corrupt == 0 {
        return Err("nothing was counted".to_owned());
    }
    Ok(format!("{corrupt} times met and counted, and left alone"))
}

fn damaged(engine: Engine) -> Checked {
    let Site { server, store, _dir } = site(engine)?;
    write(&store, "s", b"0123456789")?;
    let name = name_on(&server)?;
    let length: usize = server.ask(&["STRLEN", &name])?;
    let whole: Vec<u8> = server.ask(&["DUMP", &name])?;
    let mut found = 0;
    for offset in length - 10..length {
        let before: Vec<u8> = server.ask(&["GETRANGE", &name, &offset.to_string(), &offset.to_string()])?;
        server.ask::<u64>(&["SETRANGE", &name, &offset.to_string(), "x"])?;
        let dump: Vec<u8> = server.ask(&["DUMP", &name])?;
        let text = refused("acquire", acquire(&store, "s", &exclusive()))?;
        says(&text, &["do not match their length or checksum", "left as it is"])?;
        refused("snapshot", store.snapshot(&key("s")))?;
        if server.ask::<Vec<u8>>(&["DUMP", &name])? != dump {
            return Err("the damaged session was changed".to_owned());
        }
        let before = String::from_utf8_lossy(&before).into_owned();
        server.ask::<u64>(&["SETRANGE", &name, &offset.to_string(), &before])?;
        found += 1;
    }
    if server.ask::<Vec<u8>>(&["DUMP", &name])? != whole {
        return Err("the test did not put back what it changed".to_owned());
    }
    server.ask::<u64>(&["APPEND", &name, "more"])?;
    says(&refused("acquire", acquire(&store, "s", &exclusive()))?, &["do not match their length"])?;
    Ok(format!("{found} damaged bytes found"))
}

fn stale(engine: Engine) -> Checked {
    let Site { mut server, store, _dir } = site(engine)?;
    for (round, break_it) in ["kill", "client kill", "kill"].into_iter().enumerate() {
        write(&store, "s", round.to_string().as_bytes())?;
        if break_it == "kill" {
            server.kill();
            server.run()?;
        } else {
            server.ask::<u64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])?;
        }
        store.exists(&key("s")).map_err(|error| format!("after {break_it}: {error}"))?;
    }
    store.count(Counter::Reads, 0);
    for _ in 0..200 {
        write(&store, "s", b"many")?;
    }
    let clients = server.info("connected_clients")?;
    // The one that asks is the other.
    if clients != "2" {
        return Err(format!("one thread has {clients} connections, the test's own included"));
    }
    Ok("and 200 requests leave one connection".to_owned())
}
