//! Going through all sessions of a cluster, also while a slot is on its way from one master to another.

mod servers;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use cloakroom_redis_store::Store;
use cloakroom_seam::{End, Restore, Restored};
use servers::cluster::Cluster;
use servers::sessions::{key, name_of, open, write};
use servers::suite::{Case, Checked, case, run};
use servers::{Engine, temporary};

const CASES: &[Case] = &[
    case("a walk of a cluster meets every session once", all_masters),
    case("a walk meets the sessions of a slot that moves", moving_slot),
    case("sessions are restored on the master that they belong to", restored),
];

fn main() -> ExitCode {
    run(CASES)
}

/// How often each session was met, and with how many bytes.
fn met(store: &Store) -> Result<HashMap<[u8; 16], (u32, u64)>, String> {
    let mut met: HashMap<[u8; 16], (u32, u64)> = HashMap::new();
    let walked = store.walk(|entry| {
        let (times, size) = met.entry(entry.key.to_bytes()).or_default();
        *times += 1;
        *size = entry.size;
        ControlFlow::Continue(())
    });
    walked.map_err(|error| error.to_string())?;
    Ok(met)
}

/// Whether the sessions `s0` up to `s{count}` were met once, each with as many bytes as its number says, and no others.
fn are_all(met: &HashMap<[u8; 16], (u32, u64)>, count: u64) -> Result<(), String> {
    for number in 0..count {
        let found = met.get(&key(&format!("s{number}")).to_bytes());
        if found != Some(&(1, number + 1)) {
            return Err(format!("session {number} was met {found:?} times with bytes"));
        }
    }
    if met.len() as u64 == count { Ok(()) } else { Err(format!("{} sessions were met of {count}", met.len())) }
}

fn all_masters(engine: Engine) -> Checked {
    let dir = temporary();
    let cluster = Cluster::start(engine, dir.path())?;
    let store = open(&cluster.url())?;
    for number in 0..400 {
        write(&store, &format!("s{number}"), &vec![b'x'; number + 1])?;
    }
    store.destroy(&key("s400"), End::at_once(Duration::from_secs(60))).map_err(|error| error.to_string())?;
    are_all(&met(&store)?, 400)?;
    let (entry, payload) = store.inspect(&key("s99")).map_err(|error| error.to_string())?.ok_or("s99 is not there")?;
    if entry.size != 100 || payload != [b'x'; 100] || entry.locked {
        return Err(format!("{} bytes, locked: {}", entry.size, entry.locked));
    }
    Ok("400 sessions on three masters".to_owned())
}

fn moving_slot(engine: Engine) -> Checked {
    let dir = temporary();
    let cluster = Cluster::start(engine, dir.path())?;
    let store = open(&cluster.url())?;
    for number in 0..40 {
        write(&store, &format!("s{number}"), &vec![b'x'; number + 1])?;
    }
    let slot = cluster.slot(&name_of("s7"))?;
    let from = cluster.master_of(slot)?;
    let to = cluster.other_master(slot)?;
    cluster.begin_migration(slot, from, to)?;
    are_all(&met(&store)?, 40).map_err(|what| format!("before its keys moved: {what}"))?;
    if cluster.migrate_keys(slot, from, to)? == 0 {
        return Err("no key was moved".to_owned());
    }
    are_all(&met(&store)?, 40).map_err(|what| format!("after its keys moved: {what}"))?;
    cluster.end_migration(slot, from, to)?;
    are_all(&met(&store)?, 40).map_err(|what| format!("at the new master: {what}"))?;
    Ok(format!("slot {slot} from {from} to {to}"))
}

fn restored(engine: Engine) -> Checked {
    let dir = temporary();
    let cluster = Cluster::start(engine, dir.path())?;
    let store = open(&cluster.url())?;
    for number in 0..40 {
        let payload = vec![b'x'; number + 1];
        let session =
            Restored { payload: &payload, created: 1_000_000_000, lifetime: Duration::from_secs(600), returned: true };
        let became = store.restore(&key(&format!("s{number}")), &session).map_err(|error| error.to_string())?;
        if became != Restore::Stored {
            return Err(format!("session {number}: {became:?}"));
        }
    }
    are_all(&met(&store)?, 40)?;
    Ok("40 sessions".to_owned())
}
