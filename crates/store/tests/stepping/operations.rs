//! The operations that are killed: each with the store it begins in and what may be left of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_seam::{Acquire, Effort, End, Over};
use cloakroom_store::{Lease, Store};

use super::witness::Scene;
use super::{Stage, fresh};
use crate::harness::{LIFE, attach_existing, exclusive, get, ids_in_shard, put, read, unlocked, value};

/// The shard in which the operations work.
pub(crate) const SHARD: u32 = 1;

/// Who else takes part.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    None,
    /// Somebody holds the victim's lock, and releases it when the traced process sleeps.
    Holder,
    /// Somebody waits for the lock that the traced process holds.
    Waiter,
}

/// An operation to be killed.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) setup: fn(&Path) -> Result<Scene, String>,
    pub(crate) run: fn(&Stage<'_>),
    pub(crate) peer: Peer,
    /// The file is under another boot id, so that attaching does a full recovery.
    pub(crate) foreign: bool,
    /// Nobody else may be attached.
    pub(crate) alone: bool,
    /// Somebody else is attached in each run, as the operation takes another way then.
    pub(crate) in_company: bool,
    /// Another shard moves its sessions' payloads to give a chunk.
    pub(crate) rebalances: bool,
    /// The file is deleted once everybody has it attached.
    pub(crate) deleted: bool,
    /// The file as it was must be kept beside the store, under a name with this in it.
    pub(crate) kept: Option<&'static str>,
}

impl Case {
    pub(crate) const fn new(
        name: &'static str,
        setup: fn(&Path) -> Result<Scene, String>,
        run: fn(&Stage<'_>),
    ) -> Case {
        let (foreign, alone, in_company, rebalances, deleted) = (false, false, false, false, false);
        Case { name, setup, run, peer: Peer::None, foreign, alone, in_company, rebalances, deleted, kept: None }
    }
}

/// All operations.
pub(crate) fn all() -> Vec<Case> {
    vec![
        Case::new("create: first session of its shard", first_of_shard, acquire_and_commit),
        Case::new("create: one more session", |dir| scene(dir, None, 900), acquire_and_commit),
        Case::new("create: one that splits an index bucket", full_bucket, acquire_and_commit),
        Case::new("create: again after a logout", logged_out, acquire_and_commit),
        Case::new("acquire: an expired session", expired, acquire_and_commit),
        Case::new("acquire", |dir| scene(dir, Some(1000), 1000), acquire),
        Case::new("update: same size", |dir| scene(dir, Some(1000), 1000), commit),
        Case::new("update: smaller", |dir| scene(dir, Some(3000), 200), commit),
        Case::new("update: larger", |dir| scene(dir, Some(200), 3000), commit),
        Case::new("update: from empty", |dir| scene(dir, Some(0), 1000), commit),
        Case::new("update: to empty", |dir| scene(dir, Some(1000), 0), commit),
        Case::new("update: 100 KB to 140 KB in two blocks", |dir| scene(dir, Some(100_000), 140_000), commit),
        Case::new("update: two blocks to small", |dir| scene(dir, Some(140_000), 900), commit),
        Case::new("update: without a lock", |dir| scene(dir, Some(1000), 9000), commit_unlocked),
        Case::new("touch: with a step of the sweep", |dir| scene(dir, Some(1000), 0), touch),
        Case::new("touch: the short way", |dir| scene(dir, Some(1000), 0), touch_again),
        Case::new("release", |dir| scene(dir, Some(1000), 0), release),
        Case::new("destroy", destroyable, destroy),
        Case::new("destroy: without a lease", destroyable, destroy_unlocked),
        Case::new("destroy: what nobody has written", |dir| scene(dir, None, 0), begin_and_destroy),
        Case::new("destroy: and forget the oldest end", many_ended, destroy),
        Case::new("retire", retirable, retire),
        Case::new("collect: an expired session", expiring, collect),
        Case::new("collect: a retired session", retired, collect),
        Case::new("create: in a full store, by eviction", |dir| full_store(dir, 1), acquire_and_commit),
        Case::new("create: by eviction of what was used twice", |dir| full_store(dir, 2), acquire_and_commit),
        Case::new("grow", full_chunks, commit_unlocked),
        Case {
            rebalances: true,
            ..Case::new("update: into a chunk that another shard empties", full_but_for_a_neighbour, commit)
        },
        Case::new("snapshot", |dir| scene(dir, Some(1000), 0), snapshot),
        Case {
            peer: Peer::Holder,
            ..Case::new("acquire: handed over by the holder", |dir| scene(dir, Some(500), 900), acquire_and_commit)
        },
        Case { peer: Peer::Waiter, ..Case::new("release: to a waiter", |dir| scene(dir, Some(500), 0), release) },
        Case {
            peer: Peer::Waiter,
            ..Case::new("update: and hand over to a waiter", |dir| scene(dir, Some(500), 900), commit)
        },
        Case {
            peer: Peer::Waiter,
            ..Case::new("update: large, and hand over to a waiter", |dir| scene(dir, Some(500), 9000), commit)
        },
        Case { peer: Peer::Waiter, ..Case::new("destroy: before a waiter", destroyable, destroy) },
        Case { peer: Peer::Waiter, ..Case::new("retire: before a waiter", retirable, retire) },
    ]
}

/// A victim of `len` bytes (or none) among others in its own and in other shards, about to become `next` bytes.
pub(crate) fn scene(dir: &Path, len: Option<usize>, next: usize) -> Result<Scene, String> {
    let store = fresh(dir, 16);
    let scene = populate(&store, len, next)?;
    Ok(scene)
}

pub(crate) fn populate(store: &Arc<Store>, len: Option<usize>, next: usize) -> Result<Scene, String> {
    let mut others = Vec::new();
    for (n, shard) in [(3, SHARD), (1, 2)] {
        for (i, id) in ids_in_shard(store, "other", shard, n).into_iter().enumerate() {
            let content = value(100 + i as u64, [500, 5000, 0][i % 3]);
            put(store, &id, &content)?;
            others.push((id, content));
        }
    }
    let victim = ids_in_shard(store, "victim", SHARD, 1).swap_remove(0);
    let next = value(2, next);
    let mut allowed = vec![Some(next.clone())];
    match len {
        Some(len) => {
            put(store, &victim, &value(1, len))?;
            allowed.push(Some(value(1, len)));
        }
        // Absent, or reserved by the acquire.
        None => allowed.extend([None, Some(Vec::new())]),
    }
    Ok(Scene { victim, allowed, next, others, losable: Vec::new(), retires: false, replaced: None, makes: None })
}

fn first_of_shard(dir: &Path) -> Result<Scene, String> {
    let store = fresh(dir, 16);
    let other = ids_in_shard(&store, "other", 2, 1).swap_remove(0);
    put(&store, &other, &value(3, 700))?;
    let next = value(2, 900);
    Ok(Scene {
        victim: ids_in_shard(&store, "victim", SHARD, 1).swap_remove(0),
        allowed: vec![None, Some(Vec::new()), Some(next.clone())],
        next,
        others: vec![(other, value(3, 700))],
        losable: Vec::new(),
        retires: false,
        replaced: None,
        makes: None,
    })
}

/// As many sessions in one bucket as it takes: the next one splits it.
fn full_bucket(dir: &Path) -> Result<Scene, String> {
    let store = fresh(dir, 16);
    let mut scene = populate(&store, None, 900)?;
    for id in ids_in_shard(&store, "more", SHARD, 109) {
        put(&store, &id, b"small")?;
        scene.others.push((id, b"small".to_vec()));
    }
    Ok(scene)
}

fn logged_out(dir: &Path) -> Result<Scene, String> {
    let store = fresh(dir, 16);
    let mut scene = populate(&store, Some(800), 900)?;
    store.destroy(&store.key(b"", scene.victim.as_bytes()), End::at_once(LIFE)).map_err(|e| e.to_string())?;
    scene.allowed = vec![None, Some(Vec::new()), Some(scene.next.clone())];
    Ok(scene)
}

/// A victim whose lifetime is over for everybody.
fn expired(dir: &Path) -> Result<Scene, String> {
    let store = fresh(dir, 16);
    let mut scene = populate(&store, Some(800), 900)?;
    let past = Duration::from_secs(7200);
    store.clock().skew(-(past.as_secs() as i64) * 2, 0);
    put(&store, &scene.victim, &value(1, 800))?;
    store.clock().skew(0, 0);
    scene.allowed = vec![None, Some(Vec::new()), Some(scene.next.clone())];
    Ok(scene)
}

/// A victim that only a process whose clocks are an hour ahead sees as expired.
fn expiring(dir: &Path) -> Result<Scene, String> {
    let store = fresh(dir, 16);
    let mut scene = populate(&store, None, 0)?;
    let mut lease = store.acquire(&store.key(b"", scene.victim.as_bytes()), &exclusive()).map_err(|e| e.to_string())?;
    lease.commit(&value(1, 6000), Duration::from_secs(900), Over::Anything).map_err(|e| e.to_string())?;
    scene.allowed = vec![None, Some(value(1, 6000))];
    Ok(scene)
}

fn destroyable(dir: &Path) -> Result<Scene, String> {
    let mut scene = scene(dir, Some(1000), 0)?;
    scene.allowed = vec![None, Some(value(1, 1000))];
    Ok(scene)
}

/// A victim that is read whether it is retired already or not.
fn retirable(dir: &Path) -> Result<Scene, String> {
    let scene = scene(dir, Some(1000), 0)?;
    Ok(Scene { allowed: vec![Some(value(1, 1000))], retires: true, ..scene })
}

/// A victim whose grace only a process whose clocks are ahead sees as over.
fn retired(dir: &Path) -> Result<Scene, String> {
    let store = fresh(dir, 16);
    let scene = populate(&store, Some(6000), 0)?;
    let key = store.key(b"", scene.victim.as_bytes());
    store.destroy(&key, End { tombstone: LIFE, grace: Duration::from_secs(900) }).map_err(|e| e.to_string())?;
    Ok(Scene { allowed: vec![None, Some(value(1, 6000))], retires: true, ..scene })
}

/// As many ends are remembered in the victim's shard as may be.
fn many_ended(dir: &Path) -> Result<Scene, String> {
    const MOST: usize = (8 << 20) / 10 / 128 / 4;
    let store = fresh(dir, 8);
    let mut scene = populate(&store, Some(1000), 0)?;
    for id in ids_in_shard(&store, "ended", SHARD, MOST) {
        put(&store, &id, b"x")?;
        store.destroy(&store.key(b"", id.as_bytes()), End::at_once(LIFE)).map_err(|e| e.to_string())?;
    }
    scene.allowed = vec![None, Some(value(1, 1000))];
    Ok(scene)
}

/// Full of sessions that were used once or twice, save for the others.
fn full_store(dir: &Path, times: u32) -> Result<Scene, String> {
    let store = fresh(dir, 8);
    let mut scene = populate(&store, None, 3900)?;
    for (id, content) in &scene.others {
        (0..2).try_for_each(|_| put(&store, id, content))?;
    }
    let mut round = 0;
    loop {
        round += 1;
        let before = store.stats().map_err(|e| e.to_string())?.evicted;
        for id in ids_in_shard(&store, &format!("flood{round}-"), SHARD, 20) {
            (0..times).try_for_each(|_| put(&store, &id, &value(round, 30_000)))?;
            scene.losable.push((id, value(round, 30_000)));
        }
        let after = store.stats().map_err(|e| e.to_string())?.evicted;
        if after > before + 3 {
            break;
        }
    }
    scene.losable.retain(|(id, _)| matches!(get(&store, id), Ok(Some(_))));
    Ok(scene)
}

/// Full of sessions that came back, and only another shard has room: spread over chunks of which none is empty.
fn full_but_for_a_neighbour(dir: &Path) -> Result<Scene, String> {
    let store = fresh(dir, 8);
    let mut scene = populate(&store, Some(1000), 20_000)?;
    let keep = |scene: &mut Scene, id: &str, content: Vec<u8>| {
        // Three times: who comes back again and again is not evicted.
        (0..3).try_for_each(|_| put(&store, id, &content))?;
        scene.others.push((id.to_owned(), content));
        Ok::<(), String>(())
    };
    for (id, content) in scene.others.iter().chain([&(scene.victim.clone(), value(1, 1000))]) {
        (0..2).try_for_each(|_| put(&store, id, content))?;
    }
    let neighbours = ids_in_shard(&store, "neighbour", 2, 24);
    for (n, id) in neighbours.iter().enumerate() {
        keep(&mut scene, id, value(n as u64, 31_000))?;
    }
    for len in [31_000, 3_000] {
        for id in ids_in_shard(&store, &format!("filler{len}-"), SHARD, 400) {
            if keep(&mut scene, &id, value(7, len)).is_err() {
                // Refused at one of its writes.
                scene.losable.extend(get(&store, &id)?.map(|found| (id, found)));
                break;
            }
        }
    }
    for (n, id) in neighbours.iter().enumerate().filter(|(n, _)| n % 4 != 0) {
        put(&store, id, &value(n as u64, 100))?;
        scene.others.retain(|(other, _)| other != id);
        scene.others.push((id.clone(), value(n as u64, 100)));
    }
    Ok(scene)
}

/// No chunk is left and the victim's next payload finds no room in those that its shard has.
fn full_chunks(dir: &Path) -> Result<Scene, String> {
    const LEN: usize = 9000;
    // How many fit is the same in every store; the one too many grows the first.
    let fill = |dir: &Path, most: usize| {
        let store = fresh(dir, 16);
        let mut scene = populate(&store, Some(1000), LEN)?;
        let size = store.stats().map_err(|e| e.to_string())?.file_bytes;
        for id in ids_in_shard(&store, "filler", SHARD, most) {
            put(&store, &id, &value(5, LEN))?;
            scene.others.push((id, value(5, LEN)));
            if store.stats().map_err(|e| e.to_string())?.file_bytes > size {
                break;
            }
        }
        Ok::<Scene, String>(scene)
    };
    let trial = crate::harness::temporary();
    let before = fill(trial.path(), 0)?.others.len();
    let filled = crate::harness::temporary();
    let too_many = fill(filled.path(), 1000)?.others.len() - before;
    fill(dir, too_many - 1)
}

/// Attaches as a worker that has worked before: with an owner slot. A newcomer clears dead owner slots beside its own; here it
/// finds those that [`super::recovery`] puts before the one whose owner died. It comes in a later second than those who
/// made the template, however fast it is, so that the sweep of its second is its.
pub(crate) fn enter(stage: &Stage<'_>) -> Arc<Store> {
    let store = attach_existing(stage.dir).expect("attach");
    store.clock().skew(2, 2);
    store.exists(&store.key(b"", b"nobody")).expect("exists");
    store
}

fn lease(store: &Arc<Store>, stage: &Stage<'_>) -> Lease {
    let key = store.key(b"", stage.scene.victim.as_bytes());
    let mut lease = store.acquire(&key, &exclusive()).expect("acquire");
    read(&mut lease).expect("read");
    lease
}

pub(crate) fn acquire_and_commit(stage: &Stage<'_>) {
    let store = enter(stage);
    let key = store.key(b"", stage.scene.victim.as_bytes());
    (stage.mark)();
    let mut lease = store.acquire(&key, &exclusive()).expect("acquire");
    lease.commit(&stage.scene.next, LIFE, Over::Anything).expect("commit");
    (stage.mark)();
}

pub(crate) fn acquire(stage: &Stage<'_>) {
    let store = enter(stage);
    let key = store.key(b"", stage.scene.victim.as_bytes());
    (stage.mark)();
    let lease = store.acquire(&key, &exclusive()).expect("acquire");
    (stage.mark)();
    drop(lease);
}

pub(crate) fn commit(stage: &Stage<'_>) {
    let store = enter(stage);
    let mut lease = lease(&store, stage);
    (stage.mark)();
    lease.commit(&stage.scene.next, LIFE, Over::Anything).expect("commit");
    (stage.mark)();
}

pub(crate) fn commit_unlocked(stage: &Stage<'_>) {
    let store = enter(stage);
    let mut lease = store.acquire(&store.key(b"", stage.scene.victim.as_bytes()), &unlocked()).expect("acquire");
    (stage.mark)();
    lease.commit(&stage.scene.next, LIFE, Over::Anything).expect("commit");
    (stage.mark)();
}

fn touch(stage: &Stage<'_>) {
    let store = enter(stage);
    let mut lease = lease(&store, stage);
    (stage.mark)();
    lease.touch(b"not needed", LIFE).expect("touch");
    (stage.mark)();
}

/// A commit in the same second has done the sweep already, as it comes so late that a young process does it, too.
fn touch_again(stage: &Stage<'_>) {
    let store = enter(stage);
    store.clock().skew(100, 100);
    let neighbour = ids_in_shard(&store, "other", SHARD, 3).swap_remove(2);
    let mut lease = lease(&store, stage);
    put(&store, &neighbour, b"").expect("put");
    (stage.mark)();
    lease.touch(b"not needed", LIFE).expect("touch");
    (stage.mark)();
}

fn release(stage: &Stage<'_>) {
    let store = enter(stage);
    let mut lease = lease(&store, stage);
    (stage.mark)();
    lease.release();
    (stage.mark)();
}

fn destroy(stage: &Stage<'_>) {
    let store = enter(stage);
    let mut lease = lease(&store, stage);
    (stage.mark)();
    lease.destroy(End::at_once(LIFE)).expect("destroy");
    (stage.mark)();
}

/// The reservation is part of it: in a store that holds it already nobody knows that its id was drawn.
fn begin_and_destroy(stage: &Stage<'_>) {
    let store = enter(stage);
    let how = Acquire { drawn: true, ..exclusive() };
    (stage.mark)();
    let mut lease = store.acquire(&store.key(b"", stage.scene.victim.as_bytes()), &how).expect("acquire");
    lease.destroy(End::at_once(LIFE)).expect("destroy");
    (stage.mark)();
}

fn retire(stage: &Stage<'_>) {
    let store = enter(stage);
    let mut lease = lease(&store, stage);
    (stage.mark)();
    lease.destroy(End { tombstone: LIFE, grace: LIFE }).expect("retire");
    (stage.mark)();
}

fn destroy_unlocked(stage: &Stage<'_>) {
    let store = enter(stage);
    let key = store.key(b"", stage.scene.victim.as_bytes());
    (stage.mark)();
    store.destroy(&key, End::at_once(LIFE)).expect("destroy");
    (stage.mark)();
}

fn collect(stage: &Stage<'_>) {
    let store = enter(stage);
    store.clock().skew(1800, 1800);
    (stage.mark)();
    store.collect(Effort::All).expect("collect");
    (stage.mark)();
}

pub(crate) fn snapshot(stage: &Stage<'_>) {
    let store = enter(stage);
    let key = store.key(b"", stage.scene.victim.as_bytes());
    (stage.mark)();
    let found = store.snapshot(&key).map(|found| found.0).expect("snapshot");
    (stage.mark)();
    assert!(found.is_some());
}
