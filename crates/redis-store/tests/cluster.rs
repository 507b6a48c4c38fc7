//! A cluster: locks and merges over several masters, slots that move while requests are at work, masters that die.

mod servers;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloakroom_redis_store::Store;
use cloakroom_seam::{Acquire, End, Named, Over, Succession, Successor};
use servers::cluster::Cluster;
use servers::players::{self, Player};
use servers::process::Server;
use servers::sessions::{
    LIFE, SLOW, acquire, count_up, counted, exclusive, holds, key, name_of, open, refused, says, stored, unlocked,
    within, write,
};
use servers::suite::{Case, Checked, case, run, timed};
use servers::{Engine, temporary, wait_for};

/// What connecting and answering may take together, with `OPTIONS`.
const LIMIT: Duration = Duration::from_millis(600);
const OPTIONS: &str = "connect_timeout=0.3&timeout=0.3";
/// Enough for a fail-over.
const PATIENT: &str = "connect_timeout=1&timeout=40";
/// A bound for what is a matter of moments.
const SOON: Duration = Duration::from_secs(10);

const CASES: &[Case] = &[
    case("processes count with and without locks", processes_count),
    case("a session on one master takes the place of one on another", replaced),
    case("a slot moves while a request has the session", slot_moves),
    case("a slot moves while a request waits for the lock", slot_moves_under_a_waiter),
    case("a master dies while requests have sessions", master_dies),
    timed("short timeouts are kept while a slot moves", times_while_moving),
    timed("short timeouts are kept while a master is dead", times_without_master),
    case("an address that is not that of a cluster, and the reverse", wrong_scheme),
];

fn main() -> ExitCode {
    players::attend().unwrap_or_else(|| run(CASES))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// One id for each master, in the order of their members.
fn ids(cluster: &Cluster) -> Result<Vec<String>, String> {
    let mut found: Vec<(usize, String)> = Vec::new();
    for id in (0..200).map(|number| format!("s{number}")) {
        let master = cluster.master_of(slot(cluster, &id)?)?;
        if found.iter().all(|(known, _)| *known != master) {
            found.push((master, id));
        }
    }
    found.sort();
    if found.len() == 3 { Ok(found.into_iter().map(|(_, id)| id).collect()) } else { Err("too few masters".to_owned()) }
}

fn slot(cluster: &Cluster, id: &str) -> Result<u16, String> {
    cluster.slot(&name_of(id))
}

fn processes_count(engine: Engine) -> Checked {
    const TIMES: u64 = 60;
    let dir = temporary();
    let cluster = Cluster::start(engine, dir.path())?;
    let ids = ids(&cluster)?;
    let mut players = [Player::start(&cluster.url())?, Player::start(&cluster.url())?];
    let store = open(&cluster.url())?;
    for player in &mut players {
        for id in &ids {
            player.tell(&format!("count {id} {TIMES}"))?;
            player.tell(&format!("tally tally-{id} {TIMES}"))?;
        }
    }
    std::thread::scope(|scope| {
        let counting = ids.iter().map(|id| {
            let store = &store;
            scope.spawn(move || (0..TIMES).try_for_each(|_| count_up(store, id, &exclusive()).map(drop)).map_err(text))
        });
        counting.collect::<Vec<_>>().into_iter().try_for_each(|thread| thread.join().expect("no panic"))
    })?;
    for _ in 0..ids.len() {
        for player in &mut players {
            player.answer()?;
            player.answer()?;
        }
    }
    for id in &ids {
        holds(&store, id, Some((3 * TIMES).to_string().as_bytes()))?;
        holds(&store, &format!("tally-{id}"), Some((2 * TIMES).to_string().as_bytes()))?;
    }
    let sessions = counted(&store, "sessions")?;
    if sessions != 6 {
        return Err(format!("{sessions} sessions are counted on all servers instead of 6"));
    }
    Ok(format!("{} increments, none lost", 15 * TIMES))
}

/// How many times a server answered with this error.
fn answered(server: &Server, error: &str) -> u64 {
    let count = server.info(&format!("errorstat_{error}")).unwrap_or_default();
    count.strip_prefix("count=").and_then(|count| count.parse().ok()).unwrap_or(0)
}

fn replaced(engine: Engine) -> Checked {
    let dir = temporary();
    let cluster = Cluster::start(engine, dir.path())?;
    let [first, second, third] = <[String; 3]>::try_from(ids(&cluster)?).map_err(|_| "three masters")?;
    let store = open(&cluster.url())?;
    let succession = |id: &str| store.look(&key(id)).map(|found| found.succession).map_err(text);
    write(&store, &first, b"stored")?;
    let mut old = acquire(&store, &first, &exclusive()).map_err(text)?;
    let reserve = |id: &str| acquire(&store, id, &Acquire { drawn: true, ..exclusive() }).map_err(text);
    let (mut given_up, mut new) = (reserve(&second)?, reserve(&third)?);
    let one = Successor { key: key(&second), incarnation: given_up.incarnation() };
    let two = Successor { key: key(&third), incarnation: new.incarnation() };
    let names = [old.name(&one, None).map_err(text)?, old.name(&two, Some(&one)).map_err(text)?];
    if names != [Named::Unchanged; 2] || succession(&first)? != Succession::Named(two) {
        return Err(format!("naming was answered {names:?}"));
    }
    // The first successor is given up.
    if !given_up.destroy(End::at_once(LIFE)).map_err(text)? || store.reinstate(&key(&first), &one).map_err(text)? {
        return Err("the session did not name another by then".to_owned());
    }
    stored(new.commit(b"new", LIFE, Over::Reservation))?;
    store.settle(&key(&first), &two, End { tombstone: LIFE, grace: LIFE }).map_err(text)?;
    if succession(&first)? != Succession::Retired(two) || succession(&third)? != Succession::None {
        return Err("the session was not settled".to_owned());
    }
    holds(&store, &first, Some(b"stored"))?;
    holds(&store, &second, None)?;
    holds(&store, &third, Some(b"new"))?;
    Ok("three masters took part".to_owned())
}

fn slot_moves(engine: Engine) -> Checked {
    let dir = temporary();
    let cluster = Cluster::start(engine, dir.path())?;
    let store = open(&format!("{}?{PATIENT}", cluster.url()))?;
    let slot = slot(&cluster, "s")?;
    let (from, to) = (cluster.master_of(slot)?, cluster.other_master(slot)?);

    // The slot is another's when the request commits.
    write(&store, "s", b"one")?;
    let mut lease = acquire(&store, "s", &exclusive()).map_err(text)?;
    cluster.begin_migration(slot, from, to)?;
    let moved = cluster.migrate_keys(slot, from, to)?;
    cluster.end_migration(slot, from, to)?;
    stored(lease.commit(b"two", LIFE, Over::Anything))?;
    holds(&store, "s", Some(b"two"))?;
    if answered(&cluster.members[from], "MOVED") == 0 {
        return Err("nobody was sent to the new master, so nothing is shown".to_owned());
    }
    if cluster.members[to].ask::<bool>(&["EXISTS", &format!("{}:l", name_of("s"))])? {
        return Err("the lock is left".to_owned());
    }

    // The slot is on its way back when requests come.
    let mut lease = acquire(&store, "s", &exclusive()).map_err(text)?;
    cluster.begin_migration(slot, to, from)?;
    cluster.migrate_keys(slot, to, from)?;
    if !store.exists(&key("s")).map_err(text)? || answered(&cluster.members[to], "ASK") == 0 {
        return Err("a session is not found where it went".to_owned());
    }
    let (before, asked) = (answered(&cluster.members[from], "TRYAGAIN"), &cluster.members[from]);
    std::thread::scope(|scope| {
        let commit = scope.spawn(move || stored(lease.commit(b"three", LIFE, Over::Anything)));
        let refused = || (answered(asked, "TRYAGAIN") > before).then_some(());
        wait_for("a commit finds the slot on its way", SOON, refused)?;
        cluster.end_migration(slot, to, from)?;
        commit.join().expect("no panic")
    })?;
    holds(&store, "s", Some(b"three"))?;
    Ok(format!("with {moved} keys, and back"))
}

/// The number of waiters for a session, as its master has it.
fn waiters(server: &Server, id: &str) -> Result<u64, String> {
    server.ask(&["LLEN", &format!("{}:q", name_of(id))])
}

fn slot_moves_under_a_waiter(engine: Engine) -> Checked {
    let dir = temporary();
    let cluster = Cluster::start(engine, dir.path())?;
    let store = open(&format!("{}?{PATIENT}", cluster.url()))?;
    let slot = slot(&cluster, "s")?;
    let (from, to) = (cluster.master_of(slot)?, cluster.other_master(slot)?);
    let mut holder = Player::start(&format!("{}?{PATIENT}", cluster.url()))?;
    holder.ask("hold s")?;
    let waited = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let mut lease = acquire(&store, "s", &exclusive()).map_err(text)?;
            let found = String::from_utf8_lossy(lease.payload()).into_owned();
            stored(lease.commit(b"waiter", LIFE, Over::Anything)).map(|()| found)
        });
        let queued = || (waiters(&cluster.members[from], "s") == Ok(1)).then_some(());
        wait_for("the waiter is in the queue", SOON, queued)?;
        cluster.begin_migration(slot, from, to)?;
        cluster.migrate_keys(slot, from, to)?;
        cluster.end_migration(slot, from, to)?;
        let start = Instant::now();
        holder.ask("write holder")?;
        let found = waiting.join().expect("no panic")?;
        if found == "holder" { Ok(start.elapsed()) } else { Err(format!("the waiter read {found:?}")) }
    })?;
    holds(&store, "s", Some(b"waiter"))?;
    Ok(format!("it had the lock {waited:.0?} after it became free"))
}

fn master_dies(engine: Engine) -> Checked {
    let dir = temporary();
    let mut cluster = Cluster::start(engine, dir.path())?;
    let url = format!("{}?{PATIENT}", cluster.url());
    let store = open(&url)?;
    let slot = slot(&cluster, "{s}")?;
    // All in the slot of one master: what each of them finds after the fail-over.
    let same: Vec<String> = (0..2000)
        .map(|number| format!("d{number}"))
        .filter(|id| cluster.master_of(cluster.slot(&name_of(id)).unwrap_or(slot)) == cluster.master_of(slot))
        .take(4)
        .collect();
    let [lands, overtaken, ended, lost] = &same[..] else { return Err("no ids".to_owned()) };
    for id in &same {
        write(&store, id, b"before")?;
    }
    let mut players: Vec<Player> = Vec::new();
    for id in &same {
        let mut player = Player::start(&url)?;
        player.ask(&format!("hold {id}"))?;
        players.push(player);
    }
    let master = cluster.master_of(slot)?;
    cluster.members[master].wait_for_copies(&format!("{}:x", name_of(lands)), 1)?;
    cluster.members[master].kill();
    let start = Instant::now();

    // This one commits while there is no master yet.
    players[0].ask("write after")?;
    let took = start.elapsed();
    holds(&store, lands, Some(b"after"))?;
    let successor = cluster.wait_for_master_of(slot)?;
    if successor == master {
        return Err("there was no fail-over".to_owned());
    }
    // As if the locks and one session had been lost with the old master: others came and went on.
    for id in [overtaken, ended, lost] {
        cluster.members[successor].ask::<u64>(&["DEL", &format!("{}:l", name_of(id))])?;
    }
    write(&store, overtaken, b"newer")?;
    if !store.destroy(&key(ended), End::at_once(LIFE)).map_err(text)? {
        return Err("what was to be ended was not there".to_owned());
    }
    cluster.members[successor].ask::<u64>(&["DEL", &name_of(lost)])?;

    let refusal = players[1].ask("write older");
    says(&refusal.expect_err("an older write"), &["lock was lost", "no longer what was read"])?;
    holds(&store, overtaken, Some(b"newer"))?;
    let refusal = players[2].ask("write revived");
    says(&refusal.expect_err("a write to a session that was ended"), &["Ended"])?;
    holds(&store, ended, None)?;
    players[3].ask("write kept")?;
    holds(&store, lost, Some(b"kept"))?;

    // The old master comes back with nothing, as a replica: nothing that is older comes back with it.
    cluster.members[master].run()?;
    cluster.wait_until_whole()?;
    for (id, expected) in
        [(lands, Some(&b"after"[..])), (overtaken, Some(b"newer")), (ended, None), (lost, Some(b"kept"))]
    {
        holds(&store, id, expected)?;
    }
    Ok(format!("a commit during the fail-over landed after {took:.1?}"))
}

/// Short timeouts, and a lock that does not outlive the request for long.
fn hasty() -> Acquire<'static> {
    Acquire { lock_ttl: Duration::from_secs(1), ..exclusive() }
}

fn times_while_moving(engine: Engine) -> Checked {
    let dir = temporary();
    let cluster = Cluster::start(engine, dir.path())?;
    let store = open(&format!("{}?{OPTIONS}", cluster.url()))?;
    let slot = slot(&cluster, "s")?;
    let (from, to) = (cluster.master_of(slot)?, cluster.other_master(slot)?);
    write(&store, "s", b"before")?;
    let mut lease = acquire(&store, "s", &hasty()).map_err(text)?;
    cluster.begin_migration(slot, from, to)?;
    cluster.migrate_keys(slot, from, to)?;
    let commit = within("commit", LIMIT, || lease.commit(b"lost", LIFE, Over::Anything));
    within("release", LIMIT, move || drop(lease))?;
    let said = refused("commit", commit?)?;
    says(&said, &["the cluster moves this slot at the moment", "try again"])?;
    let again = within("acquire", LIMIT, || acquire(&store, "s", &hasty()))?;
    says(&refused("acquire", again)?, &["the cluster moves this slot at the moment"])?;
    cluster.end_migration(slot, from, to)?;
    holds(&store, "s", Some(b"before"))?;
    write(&store, "s", b"after")?;
    Ok(said)
}

fn times_without_master(engine: Engine) -> Checked {
    let dir = temporary();
    let mut cluster = Cluster::start(engine, dir.path())?;
    let store = open(&format!("{}?{OPTIONS}", cluster.url()))?;
    let slot = slot(&cluster, "s")?;
    let elsewhere = ids(&cluster)?;
    write(&store, "s", b"before")?;
    let mut lease = acquire(&store, "s", &hasty()).map_err(text)?;
    let master = cluster.master_of(slot)?;
    cluster.members[master].wait_for_copies(&format!("{}:x", name_of("s")), 1)?;
    cluster.members[master].kill();
    let commit = within("commit", LIMIT, || lease.commit(b"lost", LIFE, Over::Anything));
    within("release", LIMIT, move || drop(lease))?;
    let said = refused("commit", commit?)?;
    if !said.contains("cannot be reached") && !said.contains("the cluster is down") {
        return Err(format!("it should say what cannot be reached: {said}"));
    }
    // Requests that come all the time, until there is a new master: each is short, and sessions elsewhere are not touched.
    let served = wait_for("requests are served again", Duration::from_secs(60), || {
        let answer = within("acquire", LIMIT, || acquire(&store, "s", &Acquire { wait: Duration::ZERO, ..hasty() }));
        match answer {
            Ok(Ok(lease)) => Some(Ok(lease)),
            Ok(Err(_)) => None,
            Err(slow) => Some(Err(slow)),
        }
    })?;
    let lease = served?;
    if lease.payload() != b"before" {
        return Err("what was committed before was lost, though it had been replicated".to_owned());
    }
    drop(lease);
    for id in &elsewhere {
        write(&store, id, b"elsewhere")?;
    }
    // The new master dies as well: nobody is left who could take over.
    let successor = cluster.wait_for_master_of(slot)?;
    cluster.members[successor].kill();
    let slot_of = |id: &String| self::slot(&cluster, id).ok();
    let other = elsewhere.iter().find(|id| slot_of(id).and_then(|slot| cluster.master_of(slot).ok()).is_some());
    let other = other.ok_or("no other master serves anything")?;
    let down = wait_for("the cluster notices", Duration::from_secs(60), || {
        match within("acquire", LIMIT, || acquire(&store, other, &hasty())) {
            Ok(Err(error)) => Some(error.to_string()).filter(|said| said.contains("the cluster is down")),
            Ok(Ok(_)) => None,
            Err(slow) => Some(slow),
        }
    })?;
    if down.contains(SLOW) { Err(down) } else { Ok(down) }
}

fn wrong_scheme(engine: Engine) -> Checked {
    let dir = temporary();
    let cluster = Cluster::start(engine, dir.path())?;
    let plain: Vec<Arc<Store>> = cluster.members.iter().map(|member| open(&member.url())).collect::<Result<_, _>>()?;
    let told: Vec<String> = plain
        .iter()
        .filter_map(|store| acquire(store, "s", &unlocked()).err())
        .map(|error| error.to_string())
        .collect();
    if told.len() < 5 {
        return Err(format!("only {} of six servers refused", told.len()));
    }
    for text in &told {
        says(text, &["it is part of a cluster", "redis-cluster://"])?;
    }
    let single = Server::start(engine, &dir.path().join("single"), &servers::process::Settings::default())?;
    let store = open(&format!("{}-cluster://127.0.0.1:{}", engine.name(), single.port))?;
    let text = refused("acquire", acquire(&store, "s", &unlocked()))?;
    says(&text, &["cluster"])?;
    Ok(text)
}
