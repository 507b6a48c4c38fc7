//! Operations on payloads of several megabytes, which lie in dozens of blocks, to be killed like all others.
//!
//! Most of their steps belong to loops over the payload's bytes: the checksum, which changes nothing in the file, and the
//! copies. Of the insides of these a sample is killed (see [`crate::harness::tracer`]), also in the long form; the steps of
//! the loops over blocks, of which there are fewer than sixty, are all killed there.

use std::path::Path;

use super::operations::{self, Case, populate};
use super::witness::Scene;
use super::{Stage, fresh};
use crate::harness::read;

/// Bytes of the payloads; the second takes more blocks and the third fewer than the first.
const MIDDLE: usize = 2_600_000;
const LARGE: usize = 4_300_000;
const SMALL: usize = 2_100_000;

/// All operations on large payloads.
pub(crate) fn all() -> Vec<Case> {
    vec![
        Case::new("create: several megabytes", |dir| scene(dir, None, MIDDLE), operations::acquire_and_commit),
        Case::new("update: of several megabytes to more", |dir| scene(dir, Some(MIDDLE), LARGE), operations::commit),
        Case::new("update: of several megabytes to fewer", |dir| scene(dir, Some(MIDDLE), SMALL), operations::commit),
        Case::new("read: several megabytes", |dir| scene(dir, Some(MIDDLE), 0), acquire_and_read),
        Case::new("snapshot: several megabytes", |dir| scene(dir, Some(MIDDLE), 0), operations::snapshot),
    ]
}

fn scene(dir: &Path, len: Option<usize>, next: usize) -> Result<Scene, String> {
    populate(&fresh(dir, 64), len, next)
}

fn acquire_and_read(stage: &Stage<'_>) {
    let store = operations::enter(stage);
    let key = store.key(b"", stage.scene.victim.as_bytes());
    (stage.mark)();
    let mut lease = store.acquire(&key, &crate::harness::exclusive()).expect("acquire");
    let found = read(&mut lease).expect("read");
    (stage.mark)();
    assert_eq!(found.len(), MIDDLE);
}
