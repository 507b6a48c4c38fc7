//! Killing those who recover: a process dies at a point after which recovery has something to do, then the one that
//! recovers is stepped and killed as well, and again everything must be there.

use cloakroom_store::Options;

use super::operations::{Case, Peer, SHARD, acquire, acquire_and_commit, commit, scene};
use super::{Stage, Trial, template};
use crate::harness::image::{SEAT_COUNT, seat_at};
use crate::harness::{Checked, Finding, Random, attach_existing, soak};

/// Points of one recovery in the short form.
const SAMPLE: usize = 150;
/// Points of one recovery in the long form: it takes hundreds of thousands of steps, nearly all of which look at free
/// nodes.
const LONG: usize = 5000;

/// Which death precedes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Death {
    /// Anywhere inside the shard's lock where the file had just changed.
    InShard,
    /// With the session lock, and with space that is allocated and not published.
    Pending,
    /// As [`Death::Pending`], and no other seat is to be had but the dead one's.
    LastSeat,
}

/// A recovery to be killed.
pub(crate) struct Recovery {
    pub(crate) name: &'static str,
    first: Case,
    death: Death,
    second: Case,
}

/// All recoveries.
pub(crate) fn all() -> Vec<Recovery> {
    let small = Case::new("small update", |dir| scene(dir, Some(200), 3000), commit);
    let create = Case::new("create", |dir| scene(dir, None, 900), acquire_and_commit);
    let large = |name| Case::new(name, |dir| scene(dir, Some(500), 9000), commit);
    let again = |name, run| Case::new(name, |_| Err("a recovery begins where another died".to_owned()), run);
    vec![
        Recovery {
            name: "recovery: of a shard, after a death in an update",
            first: small,
            death: Death::InShard,
            second: again("acquire", acquire_and_commit),
        },
        Recovery {
            name: "recovery: of a shard, after a death in a create",
            first: create,
            death: Death::InShard,
            second: again("acquire", acquire_and_commit),
        },
        Recovery {
            name: "recovery: of a session lock with unpublished space",
            first: large("large update"),
            death: Death::Pending,
            second: again("acquire", acquire),
        },
        Recovery {
            name: "recovery: of a dead process's seat",
            first: large("large update, then the last seat"),
            death: Death::LastSeat,
            second: Case { alone: true, ..again("sit down", sit_down) },
        },
        Recovery {
            name: "recovery: of everything, after a crash of the machine",
            first: large("large update, then a crash"),
            death: Death::InShard,
            second: Case { alone: true, foreign: true, peer: Peer::None, ..again("attach", attach_alone) },
        },
    ]
}

/// Claims a seat: the dead one's, where no other is free.
fn sit_down(stage: &Stage<'_>) {
    let store = attach_existing(stage.dir).expect("attach");
    let key = store.key(b"", b"nobody");
    (stage.mark)();
    assert!(!store.exists(&key).expect("exists"));
    (stage.mark)();
}

fn attach_alone(stage: &Stage<'_>) {
    (stage.mark)();
    let store = cloakroom_store::Store::attach(stage.dir, Options { capacity: None, user: None }).expect("attach");
    (stage.mark)();
    drop(store);
}

/// Kills the first process at some points of its operation, and its recovery at the points of each.
pub(crate) fn explore(recovery: &Recovery) -> Checked {
    let (image, scene) = template(&recovery.first)?;
    let mut random = Random::new(recovery.name.len() as u64);
    let first = Trial::new(&recovery.first, image, scene)?;
    let deaths = deaths(&first, recovery.death, &mut random)?;
    let (mut tested, mut possible) = (0, 0);
    for death in &deaths {
        let mut image = first.killed(*death)?;
        // Seats that say they are in use and hold nothing: all others, so that the dead one's must be taken, or as many
        // as a newcomer clears in passing, so that the dead one's is found through what its owner held.
        let seats: std::ops::Range<u64> = if recovery.death == Death::LastSeat { 1..4096 } else { 2..12 };
        image.set(SEAT_COUNT, &(seats.end as u32).next_multiple_of(8).to_le_bytes());
        seats.for_each(|seat| image.set(seat_at(seat), &1u32.to_le_bytes()));
        let scene = super::witness::Scene {
            victim: first.scene.victim.clone(),
            allowed: first.scene.allowed.clone(),
            next: first.scene.next.clone(),
            others: first.scene.others.clone(),
            losable: Vec::new(),
            retires: false,
        };
        let failed = |e| format!("first death after {death} instructions: {e}");
        let second = Trial::new(&recovery.second, image, scene).map_err(failed)?;
        let budget = if soak() { LONG } else { SAMPLE };
        let points = second.trace.points(Some(budget), &mut random);
        for point in &points {
            second.kill_at(*point, random.next()).map_err(failed)?;
        }
        tested += points.len();
        possible += second.trace.steps() + 1;
    }
    Ok(Finding::Passed(format!("{tested} of {possible} points after {} deaths", deaths.len())))
}

/// The points at which the first process dies: where the file had just changed, and is as `death` asks.
fn deaths(first: &Trial<'_>, death: Death, random: &mut Random) -> Result<Vec<usize>, String> {
    let changes = &first.trace.changes;
    let mut chosen = Vec::new();
    for _ in 0..if soak() { 8 } else { 1 } {
        let mut point = None;
        for _ in 0..1000 {
            let drawn = changes.get(random.below(changes.len() as u64) as usize).copied().unwrap_or(0);
            let image = first.killed(drawn)?;
            let fits = match death {
                Death::InShard => image.shard_locked(SHARD),
                Death::Pending | Death::LastSeat => !image.shard_locked(SHARD) && image.has_pending(0),
            };
            if fits {
                point = Some(drawn);
                break;
            }
        }
        chosen.push(point.ok_or("no death leaves the store as it must be")?);
    }
    Ok(chosen)
}
