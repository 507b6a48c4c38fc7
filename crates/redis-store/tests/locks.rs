//! Locks on a server: how long they live, who gets them next and how fast, and what a request may still write that lost
//! its own.

mod servers;

use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use cloakroom_redis_store::{Error, Store};
use cloakroom_seam::{Acquire, Committed, End, Over};
use servers::players::Player;
use servers::process::{Server, Settings};
use servers::proxy::{Proxy, Weather};
use servers::sessions::{
    LIFE, acquire, counted, exclusive, holds, key, name_of, open, refused, says, stored, unlocked, write,
};
use servers::suite::{Case, Checked, case, run, timed};
use servers::{Engine, temporary, wait_for};

const CASES: &[Case] = &[
    timed("a lock lives as long as its request, however long", renewed),
    timed("a process that may have no more threads renews its locks itself, and says so", without_a_thread),
    timed("the lock of a process that was killed is free when it expires", killed_holder),
    case("a lost lock and a session that moved on: nothing is written", lost_and_moved),
    case("a lost lock and a session that did not move: it is written", lost_and_unmoved),
    case("a lost lock is nobody's to pass on", lost_is_not_passed_on),
    timed("a waiter that died costs the next one a second at most", dead_waiter),
    case("a newcomer does not overtake those who wait", newcomer),
    case("a waiter that gave up is not in anybody's way", waiter_that_gave_up),
    case("a request makes two round trips", round_trips),
    timed("with a slow network a hand-over costs no round trip of the waiter", slow_network),
    timed("how long a hand-over takes", hand_over),
    case("thousands of requests leave one connection", connections),
    case("a repeated call changes nothing twice", repetitions),
];

fn main() -> ExitCode {
    servers::players::attend().unwrap_or_else(|| run(CASES))
}

/// A server, and a store on it.
struct Site {
    server: Server,
    store: Arc<Store>,
    _dir: tempfile::TempDir,
}

fn site(engine: Engine) -> Result<Site, String> {
    let dir = temporary();
    let server = Server::start(engine, &dir.path().join("server"), &Settings::default())?;
    let store = open(&server.socket_url())?;
    Ok(Site { server, store, _dir: dir })
}

/// With a lock that expires soon, and without waiting for one.
fn brief() -> Acquire<'static> {
    Acquire { lock_ttl: Duration::from_secs(1), ..exclusive() }
}

fn at_once() -> Acquire<'static> {
    Acquire { wait: Duration::ZERO, ..exclusive() }
}

/// An error unless somebody else has the lock, as another thread is told.
fn is_locked(store: &Arc<Store>, id: &str) -> Result<(), String> {
    let asked = thread::scope(|scope| scope.spawn(|| acquire(store, id, &at_once()).map(drop)).join());
    match asked.map_err(|_| "asking panicked")? {
        Err(Error::LockTimeout { .. }) => Ok(()),
        Err(error) => Err(format!("instead of being locked: {error}")),
        Ok(()) => Err("the lock is free".to_owned()),
    }
}

/// Takes the lock away, as its expiry does.
fn lose_lock(server: &Server, id: &str) -> Result<(), String> {
    match server.ask(&["DEL", &format!("{}:l", name_of(id))])? {
        1 => Ok(()),
        gone => Err(format!("{gone} locks were there")),
    }
}

fn until_waiting(server: &Server, id: &str, waiters: u64) -> Result<(), String> {
    let queue = format!("{}:q", name_of(id));
    wait_for("waiters in the queue", Duration::from_secs(20), || {
        (server.ask::<u64>(&["LLEN", &queue]) == Ok(waiters)).then_some(())
    })
}

fn renewed(engine: Engine) -> Checked {
    let Site { server, store, _dir } = site(engine)?;
    let clients = |expected: u64| {
        // One more is the question's own.
        wait_for("connections", Duration::from_secs(20), || {
            (server.info("connected_clients") == Ok((expected + 1).to_string())).then_some(())
        })
    };
    let mut lease = acquire(&store, "s", &brief()).map_err(|error| error.to_string())?;
    clients(1)?;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(4) {
        is_locked(&open(&server.socket_url())?, "s")?;
        thread::sleep(Duration::from_millis(50));
    }
    // The store's, and that of the thread that renews.
    clients(2)?;
    stored(lease.commit(b"late", LIFE, Over::WhatWasRead))?;
    holds(&store, "s", Some(b"late"))?;
    clients(1)?;
    Ok("locked for 4 s with a lock_ttl of 1 s".to_owned())
}

fn without_a_thread(engine: Engine) -> Checked {
    let Site { server, store, _dir } = site(engine)?;
    let lock = format!("{}:l", name_of("s"));
    let mut player = Player::start_without_threads(&server.url())?;
    let nothing = |player: &mut Player| match player.ask("notice")?.as_str() {
        "nothing" => Ok(()),
        other => Err(format!("the operator is told: {other}")),
    };
    nothing(&mut player)?;
    player.ask("brief s 2")?;
    let notice = player.ask("notice")?;
    says(&notice, &["renews session locks cannot be started: ", "os error", "ulimit -u", "cloakroom.lock_ttl (2 s)"])?;
    // Its own calls keep the lock.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(5) {
        player.ask("peek other")?;
        is_locked(&store, "s")?;
        thread::sleep(Duration::from_millis(50));
    }
    if player.ask("write late")? != "stored" {
        return Err("what it wrote is not stored".to_owned());
    }
    // Without a call the lock is lost, and the version decides.
    player.ask("brief s 1")?;
    wait_for("the end of the lock", Duration::from_secs(20), || {
        (server.ask::<u64>(&["EXISTS", &lock]) == Ok(0)).then_some(())
    })?;
    write(&store, "s", b"of another request")?;
    let refused = player.ask("write later").err().ok_or("a write after another request's was not refused")?;
    says(&refused, &["lock was lost"])?;
    holds(&store, "s", Some(b"of another request"))?;
    nothing(&mut player)?;
    Ok(notice)
}

fn killed_holder(engine: Engine) -> Checked {
    let Site { server, store, _dir } = site(engine)?;
    let mut player = Player::start(&server.socket_url())?;
    player.ask("hold s")?;
    let lock = format!("{}:l", name_of("s"));
    let lives: i64 = server.ask(&["PTTL", &lock])?;
    is_locked(&store, "s")?;
    // As long as players' locks live; the waiter counts from now.
    server.ask::<u64>(&["PEXPIRE", &lock, "1000"])?;
    let began = Instant::now();
    player.kill();
    acquire(&store, "s", &exclusive()).map_err(|error| error.to_string())?.release();
    let took = began.elapsed();
    if !(9000..=10_000).contains(&lives) || took < Duration::from_millis(800) || took > Duration::from_secs(3) {
        return Err(format!("the lock had {lives} ms to live and was got after {took:?} instead of 1 s"));
    }
    Ok(format!("the lock of 1 s was got after {took:.1?}"))
}

fn lost_and_moved(engine: Engine) -> Checked {
    let Site { server, store, _dir } = site(engine)?;
    write(&store, "s", b"before")?;
    for over in [Over::WhatWasRead, Over::Anything] {
        let mut slow = acquire(&store, "s", &exclusive()).map_err(|error| error.to_string())?;
        lose_lock(&server, "s")?;
        write(&open(&server.socket_url())?, "s", b"newer")?;
        let text = refused("the commit", slow.commit(b"older", LIFE, over))?;
        says(&text, &["lock was lost"])?;
        holds(&store, "s", Some(b"newer"))?;
    }
    match counted(&store, "locks_lost")? {
        2 => Ok("both are counted".to_owned()),
        count => Err(format!("{count} are counted")),
    }
}

fn lost_and_unmoved(engine: Engine) -> Checked {
    let Site { server, store, _dir } = site(engine)?;
    write(&store, "s", b"before")?;
    let mut slow = acquire(&store, "s", &exclusive()).map_err(|error| error.to_string())?;
    lose_lock(&server, "s")?;
    stored(slow.commit(b"mine", LIFE, Over::WhatWasRead))?;
    holds(&store, "s", Some(b"mine"))?;
    Ok("stored".to_owned())
}

fn lost_is_not_passed_on(engine: Engine) -> Checked {
    let Site { server, store, _dir } = site(engine)?;
    let other = open(&server.socket_url())?;
    for end in ["commit", "touch", "destroy", "release"] {
        write(&store, "s", b"before")?;
        let mut slow = acquire(&store, "s", &exclusive()).map_err(|error| error.to_string())?;
        lose_lock(&server, "s")?;
        let mut fast = acquire(&other, "s", &exclusive()).map_err(|error| error.to_string())?;
        match end {
            "commit" => stored(slow.commit(b"mine", LIFE, Over::WhatWasRead))?,
            "touch" => stored(slow.touch(b"before", LIFE))?,
            "destroy" => drop(slow.destroy(End::at_once(LIFE)).map_err(|error| error.to_string())?),
            _ => slow.release(),
        }
        is_locked(&store, "s").map_err(|error| format!("after a {end} of who lost it: {error}"))?;
        fast.release();
    }
    Ok("four ways of ending".to_owned())
}

fn dead_waiter(engine: Engine) -> Checked {
    let Site { server, store, _dir } = site(engine)?;
    let mut lease = acquire(&store, "s", &exclusive()).map_err(|error| error.to_string())?;
    let mut player = Player::start(&server.socket_url())?;
    player.tell("hold s")?;
    until_waiting(&server, "s", 1)?;
    player.kill();
    let waiting = Arc::clone(&store);
    let waiter = thread::spawn(move || {
        let got = acquire(&waiting, "s", &exclusive()).map(drop).map_err(|error| error.to_string());
        (got, Instant::now())
    });
    until_waiting(&server, "s", 2)?;
    let released = Instant::now();
    lease.release();
    let (got, when) = waiter.join().map_err(|_| "the waiter panicked")?;
    got?;
    let took = when - released;
    if took > Duration::from_secs(2) {
        return Err(format!("the waiter behind a dead one got the lock after {took:?}"));
    }
    Ok(format!("the next one got it after {took:.1?}"))
}

fn newcomer(engine: Engine) -> Checked {
    let Site { server, store, _dir } = site(engine)?;
    let mut lease = acquire(&store, "s", &exclusive()).map_err(|error| error.to_string())?;
    let mut player = Player::start(&server.socket_url())?;
    player.tell("hold s")?;
    until_waiting(&server, "s", 1)?;
    lose_lock(&server, "s")?;
    // Whoever asks next finds it free, and that it is the turn of the one that waits.
    is_locked(&store, "s")?;
    until_waiting(&server, "s", 0)?;
    player.answer()?;
    is_locked(&store, "s")?;
    player.ask("write later")?;
    lease.release();
    Ok("the one that waits got it".to_owned())
}

fn waiter_that_gave_up(engine: Engine) -> Checked {
    let Site { server, store, _dir } = site(engine)?;
    let mut lease = acquire(&store, "s", &exclusive()).map_err(|error| error.to_string())?;
    let impatient = Acquire { wait: Duration::from_millis(30), ..exclusive() };
    let other = open(&server.socket_url())?;
    for _ in 0..3 {
        refused("waiting", acquire(&other, "s", &impatient))?;
    }
    let left: Vec<String> = server.ask(&["KEYS", &format!("{}:*", name_of("s").replace(['{', '}'], "?"))])?;
    if left != [format!("{}:l", name_of("s"))] {
        return Err(format!("{} names are left beside the lock", left.len()));
    }
    lease.release();
    acquire(&other, "s", &at_once()).map_err(|error| error.to_string())?;
    Ok("no trace of three of them".to_owned())
}

fn round_trips(engine: Engine) -> Checked {
    let Site { server, _dir, .. } = site(engine)?;
    let proxy = Proxy::to(server.socket()).map_err(|error| error.to_string())?;
    let store = open(&format!("redis://127.0.0.1:{}", proxy.port))?;
    write(&store, "s", b"before")?;
    let mut told = Vec::new();
    type Work<'a> = &'a dyn Fn() -> Result<(), String>;
    let reads = || store.snapshot(&key("s")).map(drop).map_err(|error| error.to_string());
    let writes = || write(&store, "s", b"after");
    let merges = || {
        let mut lease = acquire(&store, "s", &unlocked()).map_err(|error| error.to_string())?;
        stored(lease.commit(b"after", LIFE, Over::WhatWasRead))
    };
    let touches = || {
        let mut lease = acquire(&store, "s", &exclusive()).map_err(|error| error.to_string())?;
        stored(lease.touch(b"after", LIFE))
    };
    let ends = || {
        let mut lease = acquire(&store, "s", &exclusive()).map_err(|error| error.to_string())?;
        lease.destroy(End::at_once(LIFE)).map(drop).map_err(|error| error.to_string())
    };
    let cases: [(&str, u64, Work<'_>); 5] =
        [("read", 1, &reads), ("write", 2, &writes), ("merge", 2, &merges), ("touch", 2, &touches), ("end", 2, &ends)];
    for (what, expected, work) in cases {
        // Once in vain, for the scripts that are not loaded yet.
        work()?;
        let before = proxy.round_trips();
        for _ in 0..20 {
            work()?;
        }
        let found = proxy.round_trips() - before;
        if found != expected * 20 {
            return Err(format!("20 times {what}: {found} round trips instead of {}", expected * 20));
        }
        told.push(format!("{what} {expected}"));
    }
    Ok(told.join(", "))
}

/// Releases a lock that somebody waits for, and answers how long until that one has it.
fn hand_over_once(server: &Server, holder: &Arc<Store>, waiter: &Arc<Store>) -> Result<Duration, String> {
    let mut lease = acquire(holder, "s", &exclusive()).map_err(|error| error.to_string())?;
    let waiter = Arc::clone(waiter);
    let waiting = thread::spawn(move || {
        let got = acquire(&waiter, "s", &exclusive());
        let when = Instant::now();
        got.map(|mut lease| lease.release()).map(|()| when).map_err(|error| error.to_string())
    });
    wait_for("somebody who sleeps", Duration::from_secs(20), || {
        (server.info("blocked_clients") == Ok("1".to_owned())).then_some(())
    })?;
    let released = Instant::now();
    lease.release();
    Ok(waiting.join().map_err(|_| "the waiter panicked")?? - released)
}

fn slow_network(engine: Engine) -> Checked {
    let Site { server, store, _dir } = site(engine)?;
    let proxy = Proxy::to(server.socket()).map_err(|error| error.to_string())?;
    let far = open(&format!("redis://127.0.0.1:{}", proxy.port))?;
    write(&far, "s", b"connected")?;
    let delay = Duration::from_millis(100);
    proxy.set(Weather::Slow(delay));
    let took = hand_over_once(&server, &store, &far)?;
    // What is pushed and the attempt that follows are on their way at once: one delay, and not two.
    if took < delay || took > delay * 2 - Duration::from_millis(20) {
        return Err(format!("with {delay:?} on each answer a hand-over took {took:?}"));
    }
    Ok(format!("{took:.0?} with {delay:?} on each answer"))
}

fn hand_over(engine: Engine) -> Checked {
    let Site { server, store, _dir } = site(engine)?;
    let other = open(&server.socket_url())?;
    let mut times = (0..100).map(|_| hand_over_once(&server, &store, &other)).collect::<Result<Vec<_>, _>>()?;
    times.sort();
    let (median, worst) = (times[50], times[98]);
    // Whoever polls, as seldom as every 20 ms, takes 10 in the middle.
    if median > Duration::from_millis(5) {
        return Err(format!("the median of 100 is {median:?}"));
    }
    Ok(format!("median {median:.0?}, 99 of 100 within {worst:.0?}"))
}

fn connections(engine: Engine) -> Checked {
    let Site { server, store, _dir } = site(engine)?;
    let before: u64 = server.info("total_connections_received")?.parse().map_err(|_| "no number")?;
    for turn in 0..2000 {
        write(&store, &format!("s{}", turn % 10), b"x")?;
    }
    let after: u64 = server.info("total_connections_received")?.parse().map_err(|_| "no number")?;
    // The second question is the other one.
    match after - before {
        2 => Ok("2000 cycles, one connection".to_owned()),
        made => Err(format!("2000 cycles made {} connections", made - 1)),
    }
}

fn repetitions(engine: Engine) -> Checked {
    let Site { server, _dir, .. } = site(engine)?;
    let proxy = Proxy::to(server.socket()).map_err(|error| error.to_string())?;
    let store = open(&format!("redis://127.0.0.1:{}", proxy.port))?;
    write(&store, "loaded", b"x")?;
    let lose_the_answer = || proxy.set(Weather::Cut { after: 0, times: 1 });
    // Reserved by a call whose answer was lost: still new to who reserved it.
    lose_the_answer();
    let mut lease = acquire(&store, "s", &exclusive()).map_err(|error| error.to_string())?;
    if !lease.is_new() {
        return Err("a reservation that was repeated is not new".to_owned());
    }
    lose_the_answer();
    stored(lease.commit(b"first", LIFE, Over::WhatWasRead))?;
    holds(&store, "s", Some(b"first"))?;
    if lease.version() != 1 {
        return Err(format!("a commit that was repeated made version {}", lease.version()));
    }
    let mut lease = acquire(&store, "s", &unlocked()).map_err(|error| error.to_string())?;
    lose_the_answer();
    match lease.destroy(End::at_once(LIFE)) {
        Ok(true) => {}
        other => return Err(format!("an end that was repeated answers {other:?}")),
    }
    let mut late = acquire(&store, "s", &unlocked()).map_err(|error| error.to_string())?;
    lose_the_answer();
    match late.touch(b"", LIFE) {
        Ok(Committed::Stored) => Ok("acquire, commit, end and touch".to_owned()),
        other => Err(format!("a touch that was repeated answers {other:?}")),
    }
}
