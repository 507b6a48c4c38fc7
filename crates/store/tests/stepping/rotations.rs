//! Rotations, to be killed like all other operations: the victim (A) gets another id (B), as the session layer does it. And what
//! those do who come across one that was given up: a third id (C), reinstatement, ends.

use std::path::Path;
use std::sync::Arc;

use cloakroom_seam::{Committed, Destroyed, End, Key, Named, Over, Succession, Successor};
use cloakroom_store::{Lease, Store};

use super::operations::{Case, Peer, SHARD, enter, populate};
use super::succession::{Replaced, drawn};
use super::witness::Scene;
use super::{Stage, fresh};
use crate::harness::{LIFE, exclusive, ids_in_shard, read, value};

const RETIRE: End = End { tombstone: LIFE, grace: LIFE };
const AT_ONCE: End = End::at_once(LIFE);

/// All rotations.
pub(crate) fn all() -> Vec<Case> {
    vec![
        Case::new("rotate: with a grace", |dir| scene(dir, RETIRE, 2, 900), rotate),
        Case::new("rotate: without a grace, in one shard", |dir| scene(dir, AT_ONCE, SHARD, 900), rotate),
        Case::new("rotate: to a large payload", |dir| scene(dir, RETIRE, SHARD, 9000), rotate),
        Case::new(
            "rotate: a second time, before the first was written",
            |dir| scene(dir, RETIRE, 2, 900),
            rotate_twice,
        ),
        Case::new("rotate: what was given up is reinstated and written", given_up, reinstate),
        Case::new("destroy: of one who has read", destroyable, destroy_since),
        Case::new("destroy: of one who has read it before it named another", destroyable_given_up, destroy_since_named),
        Case::new("destroy: what names another", destroyable_given_up, destroy_named),
        Case {
            peer: Peer::Waiter,
            ..Case::new("rotate: before one who waits for the old id", |dir| scene(dir, RETIRE, 2, 900), name)
        },
        Case {
            peer: Peer::Waiter,
            ..Case::new("rotate: before one who waits for the new id", waited_for, write_and_settle)
        },
    ]
}

/// A victim that is to be replaced by a session in `shard`, which is written with `len` bytes.
fn scene(dir: &Path, end: End, shard: u32, len: usize) -> Result<Scene, String> {
    let store = fresh(dir, 16);
    let mut scene = populate(&store, Some(1000), 900)?;
    let stored = value(1, 1000);
    scene.allowed = vec![Some(stored.clone()), None];
    scene.replaced = Some(Replaced {
        stored,
        successors: ids_in_shard(&store, "successor", shard, 2),
        written: value(3, len),
        end,
        ends: false,
        crashed: false,
        waits_for_successor: false,
    });
    Ok(scene)
}

fn waited_for(dir: &Path) -> Result<Scene, String> {
    let mut scene = scene(dir, RETIRE, 2, 900)?;
    scene.replaced.iter_mut().for_each(|replaced| replaced.waits_for_successor = true);
    Ok(scene)
}

/// A victim that names a successor which nobody is about to write; it is about to be written itself.
fn given_up(dir: &Path) -> Result<Scene, String> {
    let mut scene = scene(dir, RETIRE, 2, 0)?;
    let store = crate::harness::attach_existing(dir)?;
    drop(enter_successor(&store, &scene));
    scene.allowed.push(Some(scene.next.clone()));
    Ok(scene)
}

fn destroyable(dir: &Path) -> Result<Scene, String> {
    let mut scene = scene(dir, AT_ONCE, 2, 0)?;
    scene.replaced.iter_mut().for_each(|replaced| replaced.ends = true);
    Ok(scene)
}

fn destroyable_given_up(dir: &Path) -> Result<Scene, String> {
    let mut scene = given_up(dir)?;
    scene.replaced.iter_mut().for_each(|replaced| replaced.ends = true);
    Ok(scene)
}

fn replaced(scene: &Scene) -> &Replaced {
    scene.replaced.as_ref().expect("a scene of a rotation")
}

fn victim(store: &Arc<Store>, scene: &Scene) -> Key {
    store.key(b"", scene.victim.as_bytes())
}

/// Reserves the successor number `n`.
fn reserve(store: &Arc<Store>, scene: &Scene, n: usize) -> (Lease, Successor) {
    let key = store.key(b"", replaced(scene).successors[n].as_bytes());
    let lease = store.acquire(&key, &drawn()).expect("nobody knows the id");
    let successor = Successor { key, incarnation: lease.incarnation() };
    (lease, successor)
}

/// Takes the victim's lock and reads it.
fn take(store: &Arc<Store>, scene: &Scene) -> Lease {
    let mut lease = store.acquire(&victim(store, scene), &exclusive()).expect("acquire");
    read(&mut lease).expect("read");
    lease
}

/// Makes the victim name the first successor, which is held.
fn enter_successor(store: &Arc<Store>, scene: &Scene) -> (Lease, Successor) {
    let mut leaving = take(store, scene);
    let (held, successor) = reserve(store, scene, 0);
    assert_eq!(leaving.name(&successor, None).expect("name"), Named::Unchanged);
    leaving.release();
    (held, successor)
}

/// The first write of the successor that the victim names, and the end of that.
fn write_first(store: &Arc<Store>, scene: &Scene, held: &mut Lease, successor: &Successor) {
    let Replaced { written, end, .. } = replaced(scene);
    assert_eq!(held.commit(written, LIFE, Over::Reservation).expect("commit"), Committed::Stored);
    store.settle(&victim(store, scene), successor, *end).expect("settle");
}

fn assert_settled(store: &Arc<Store>, scene: &Scene, successor: &Successor) {
    let found = store.look(&victim(store, scene)).expect("look");
    if replaced(scene).end.grace.is_zero() {
        assert!(found.payload.is_none() && found.succession == Succession::None);
    } else {
        assert!(found.payload.is_some() && found.succession == Succession::Retired(*successor));
    }
}

fn rotate(stage: &Stage<'_>) {
    let (store, scene) = (enter(stage), stage.scene);
    let mut leaving = take(&store, scene);
    (stage.mark)();
    let (mut held, successor) = reserve(&store, scene, 0);
    assert_eq!(leaving.name(&successor, None).expect("name"), Named::Unchanged);
    leaving.release();
    write_first(&store, scene, &mut held, &successor);
    (stage.mark)();
    assert_settled(&store, scene, &successor);
}

/// The session that is left now was to take the victim's place: the third one takes it.
fn rotate_twice(stage: &Stage<'_>) {
    let (store, scene) = (enter(stage), stage.scene);
    let (mut unwritten, before) = enter_successor(&store, scene);
    (stage.mark)();
    let (mut held, successor) = reserve(&store, scene, 1);
    assert_eq!(unwritten.name(&successor, None).expect("name"), Named::Unchanged);
    let mut first = store.acquire(&victim(&store, scene), &crate::harness::unlocked()).expect("acquire");
    assert_eq!(first.name(&successor, Some(&before)).expect("name"), Named::Unchanged);
    unwritten.destroy(AT_ONCE).expect("destroy");
    first.release();
    write_first(&store, scene, &mut held, &successor);
    (stage.mark)();
    assert_settled(&store, scene, &successor);
}

fn reinstate(stage: &Stage<'_>) {
    let (store, scene) = (enter(stage), stage.scene);
    let key = victim(&store, scene);
    (stage.mark)();
    let Succession::Named(successor) = take(&store, scene).succession() else { panic!("it names none") };
    let mut held = store.acquire(&successor.key, &exclusive()).expect("acquire");
    assert!(!store.look(&successor.key).expect("look").is_written);
    assert!(store.reinstate(&key, &successor).expect("reinstate"));
    held.release();
    let mut lease = take(&store, scene);
    assert_eq!(lease.commit(&scene.next, LIFE, Over::WhatWasRead).expect("commit"), Committed::Stored);
    (stage.mark)();
}

fn destroy_since(stage: &Stage<'_>) {
    destroy_for(stage, Destroyed::Now);
}

fn destroy_since_named(stage: &Stage<'_>) {
    destroy_for(stage, Destroyed::Before);
}

fn destroy_for(stage: &Stage<'_>, expected: Destroyed) {
    let store = enter(stage);
    let key = victim(&store, stage.scene);
    let (_, mark) = store.snapshot(&key).expect("snapshot");
    (stage.mark)();
    let destroyed = store.destroy_since(&key, &mark, AT_ONCE).expect("destroy");
    (stage.mark)();
    assert_eq!(destroyed, expected);
    assert!(!store.exists(&key).expect("exists"));
}

fn destroy_named(stage: &Stage<'_>) {
    let store = enter(stage);
    let mut lease = take(&store, stage.scene);
    (stage.mark)();
    lease.destroy(AT_ONCE).expect("destroy");
    (stage.mark)();
    assert!(!store.exists(&victim(&store, stage.scene)).expect("exists"));
}

/// Only the first half: who waits for the victim's lock gets it, and then waits for the successor's.
fn name(stage: &Stage<'_>) {
    let (store, scene) = (enter(stage), stage.scene);
    let mut leaving = take(&store, scene);
    (stage.mark)();
    let (held, successor) = reserve(&store, scene, 0);
    assert_eq!(leaving.name(&successor, None).expect("name"), Named::Unchanged);
    leaving.release();
    (stage.mark)();
    drop(held);
}

/// Only the second half: who waits for the successor's lock gets it when that was written.
fn write_and_settle(stage: &Stage<'_>) {
    let (store, scene) = (enter(stage), stage.scene);
    let (mut held, successor) = enter_successor(&store, scene);
    (stage.mark)();
    write_first(&store, scene, &mut held, &successor);
    (stage.mark)();
}
