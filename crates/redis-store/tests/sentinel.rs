//! Sentinel: who is master is found out, with passwords and without, and followed when it changes under requests.

mod servers;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cloakroom_seam::{Acquire, End, Over};
use servers::players::{self, Player};
use servers::sentinel::{Guards, SERVICE, Watched};
use servers::sessions::{
    LIFE, acquire, count_up, exclusive, holds, key, name_of, number, open, refused, says, stored, unlocked, within,
    write,
};
use servers::suite::{Case, Checked, case, run, timed};
use servers::{Engine, temporary, wait_for};

const LIMIT: Duration = Duration::from_millis(600);
const OPTIONS: &str = "connect_timeout=0.3&timeout=0.3";
/// Enough for a fail-over.
const PATIENT: &str = "connect_timeout=1&timeout=40";

const CASES: &[Case] = &[
    case("servers and Sentinels with passwords", passwords),
    case("some Sentinels are silent", silent_sentinels),
    case("the master changes during requests", planned),
    case("the master dies while requests have sessions", master_dies),
    timed("short timeouts are kept while there is no master", times),
];

fn main() -> ExitCode {
    players::attend().unwrap_or_else(|| run(CASES))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn passwords(engine: Engine) -> Checked {
    let dir = temporary();
    let both = Guards { servers: Some("hunter2"), sentinels: Some("hunter3"), tls: None };
    let watched = Watched::start(engine, dir.path(), both)?;
    let place = watched.url().split("//").nth(1).unwrap_or_default().to_owned();
    let scheme = format!("{}-sentinel://", engine.name());
    let url = format!("{scheme}:hunter2@{place}?sentinel_password=hunter3");
    let store = open(&url)?;
    write(&store, "s", b"payload")?;
    holds(&store, "s", Some(b"payload"))?;
    let told = |url: String, part: &str| {
        let said = refused(part, acquire(&open(&url)?, "s", &exclusive()))?;
        if said.contains("hunter") { Err(format!("a password is shown: {said}")) } else { says(&said, &[part]) }
    };
    told(format!("{scheme}:hunter2@{place}"), "it asks for a password")?;
    told(format!("{scheme}:hunter2@{place}?sentinel_password=hunter4"), "user or password is wrong")?;
    told(format!("{scheme}:hunter4@{place}?sentinel_password=hunter3"), "user or password is wrong")?;
    told(format!("{scheme}{place}?sentinel_password=hunter3"), "it asks for a password")?;
    let elsewhere = place.replace(SERVICE, "others");
    told(format!("{scheme}:hunter2@{elsewhere}?sentinel_password=hunter3"), "it knows no service of this name")?;
    Ok("of either kind".to_owned())
}

fn silent_sentinels(engine: Engine) -> Checked {
    let dir = temporary();
    let mut watched = Watched::start(engine, dir.path(), Guards::default())?;
    // The first of the two in the address says nothing: the second one is asked within the same time.
    watched.sentinels[0].pause();
    let store = open(&format!("{}?connect_timeout=0.5&timeout=0.5", watched.url()))?;
    write(&store, "s", b"payload")?;
    watched.sentinels[0].resume();
    watched.sentinels[0].kill();
    let store = open(&watched.url())?;
    holds(&store, "s", Some(b"payload"))?;
    // Who has a connection needs no Sentinel.
    watched.sentinels[1].kill();
    holds(&store, "s", Some(b"payload"))?;
    let said = refused("acquire", acquire(&open(&watched.url())?, "s", &unlocked()))?;
    says(&said, &["cannot be reached"])?;
    Ok(said)
}

/// What may be lost when the master changes: what the old one was told before the store asked a Sentinel again.
const LOST: Duration = Duration::from_secs(5);

/// One request after the other counts up while the Sentinels change the master, which goes on as a master for a while.
/// Each either counts or says clearly that it did not; and only what the old master was told in the first moments is lost.
fn planned(engine: Engine) -> Checked {
    let dir = temporary();
    let watched = Watched::start(engine, dir.path(), Guards::default())?;
    let store = open(&format!("{}?{PATIENT}", watched.url()))?;
    let over = AtomicBool::new(false);
    let how = Acquire { lock_ttl: Duration::from_secs(1), ..exclusive() };
    let (changed, (counts, failures, lost)) = std::thread::scope(|scope| {
        let counting = scope.spawn(|| {
            // When each number was counted last.
            let mut counted = vec![Instant::now()];
            let (mut counts, mut failures, mut lost) = (0_u64, Vec::new(), Vec::new());
            while !over.load(Ordering::Relaxed) {
                match count_up(&store, "s", &how) {
                    Ok(next) => {
                        counts += 1;
                        let next = usize::try_from(next).expect("a small number");
                        if let Some(again) = counted.get(next) {
                            lost.push(again.elapsed());
                        }
                        counted.truncate(next);
                        counted.push(Instant::now());
                    }
                    Err(error) => failures.push(error.to_string()),
                }
            }
            (counts, failures, lost)
        });
        let changed = (|| {
            let before = watched.wait_for_master()?;
            watched.fail_over()?;
            let limit = Duration::from_secs(60);
            let other = || watched.master().filter(|master| *master != before);
            let successor = wait_for("there is another master", limit, other)?;
            watched.wait_for_replicas(2)?;
            Ok::<_, String>(format!("{before}, then {successor}"))
        })();
        over.store(true, Ordering::Relaxed);
        Ok::<_, String>((changed?, counting.join().expect("no panic")))
    })?;
    let allowed = ["cannot be reached", "refused", "broke twice", "did not answer", "lock was lost"];
    if let Some(odd) = failures.iter().find(|said| !allowed.iter().any(|part| said.contains(part))) {
        return Err(format!("a request was told: {odd}"));
    }
    if lost.len() > 1 || lost.iter().any(|lost| *lost > LOST) {
        return Err(format!("one change of the master lost what was counted in the last {lost:.1?}"));
    }
    let (payload, _) = store.snapshot(&key("s")).map_err(text)?;
    let stored = payload.as_deref().map_or(0, number);
    if counts < 100 || stored == 0 {
        return Err(format!("only {counts} requests counted, up to {stored}"));
    }
    Ok(format!(
        "masters {changed}: {counts} requests counted to {stored}, {} failed, lost what was counted in the last {lost:.1?}",
        failures.len()
    ))
}

fn master_dies(engine: Engine) -> Checked {
    let dir = temporary();
    let mut watched = Watched::start(engine, dir.path(), Guards::default())?;
    let url = format!("{}?{PATIENT}", watched.url());
    let store = open(&url)?;
    for id in ["lands", "overtaken", "ended"] {
        write(&store, id, b"before")?;
    }
    let mut players = Vec::new();
    for id in ["lands", "overtaken", "ended"] {
        let mut player = Player::start(&url)?;
        player.ask(&format!("hold {id}"))?;
        players.push(player);
    }
    let master = watched.wait_for_master()?;
    watched.servers[master].wait_for_copies("x", 2)?;
    // It does not die but stops, which is the harder case: its connections stay, and it comes back as a master.
    watched.servers[master].pause();
    let start = Instant::now();
    let fresh = open(&url)?;
    let found = |seconds| {
        wait_for("another master is found", Duration::from_secs(seconds), || {
            watched.master().filter(|found| *found != master)
        })
    };
    let successor = found(60)?;
    holds(&fresh, "lands", Some(b"before"))?;
    for id in ["overtaken", "ended"] {
        watched.servers[successor].ask::<u64>(&["DEL", &format!("{}:l", name_of(id))])?;
    }
    write(&fresh, "overtaken", b"newer")?;
    fresh.destroy(&key("ended"), End::at_once(LIFE)).map_err(text)?;
    let took = start.elapsed();
    watched.servers[master].resume();
    wait_for("the old master follows the new one", Duration::from_secs(60), || {
        (watched.servers[master].info("role").as_deref() == Ok("slave")).then_some(())
    })?;

    // Their connections are those to the old master.
    players[0].ask("write after")?;
    let refusal = players[1].ask("write older");
    says(&refusal.expect_err("an older write"), &["lock was lost", "no longer what was read"])?;
    let refusal = players[2].ask("write revived");
    says(&refusal.expect_err("a write to a session that was ended"), &["Ended"])?;
    for (id, expected) in [("lands", Some(&b"after"[..])), ("overtaken", Some(b"newer")), ("ended", None)] {
        holds(&fresh, id, expected)?;
        holds(&store, id, expected)?;
    }

    // This one dies for good, under a commit.
    watched.wait_for_replicas(2)?;
    let mut lease = acquire(&store, "lands", &exclusive()).map_err(text)?;
    watched.servers[successor].wait_for_copies("x", 2)?;
    watched.servers[successor].kill();
    stored(lease.commit(b"at last", LIFE, Over::Anything))?;
    holds(&fresh, "lands", Some(b"at last"))?;
    Ok(format!("requests went on {took:.1?} after the master had stopped"))
}

fn times(engine: Engine) -> Checked {
    let dir = temporary();
    let mut watched = Watched::start(engine, dir.path(), Guards::default())?;
    let store = open(&format!("{}?{OPTIONS}", watched.url()))?;
    let hasty = Acquire { lock_ttl: Duration::from_secs(1), wait: Duration::ZERO, ..exclusive() };
    write(&store, "s", b"before")?;
    let mut lease = acquire(&store, "s", &hasty).map_err(text)?;
    let master = watched.wait_for_master()?;
    watched.servers[master].kill();
    let commit = within("commit", LIMIT, || lease.commit(b"lost", LIFE, Over::Anything));
    within("release", LIMIT, move || drop(lease))?;
    let said = refused("commit", commit?)?;
    says(&said, &["cannot be reached"])?;
    let served = wait_for("requests are served again", Duration::from_secs(60), || {
        match within("acquire", LIMIT, || acquire(&store, "s", &hasty)) {
            Ok(Ok(lease)) => Some(Ok(lease)),
            Ok(Err(_)) => None,
            Err(slow) => Some(Err(slow)),
        }
    })?;
    drop(served?);
    for sentinel in &mut watched.sentinels {
        sentinel.pause();
    }
    let unknown = open(&format!("{}?{OPTIONS}", watched.url()))?;
    let outcome = within("acquire", LIMIT, || acquire(&unknown, "s", &hasty))?;
    says(&refused("acquire", outcome)?, &["cannot be reached"])?;
    Ok(said)
}
