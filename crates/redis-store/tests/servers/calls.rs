//! Every call of a store and of a lease that goes to a server, by name, for tests of what no call may do.

use std::ops::ControlFlow;
use std::sync::Arc;

use cloakroom_redis_store::{Error, Lease, Store};
use cloakroom_seam::{End, Over, Restored, Successor};

use super::sessions::{LIFE, acquire, exclusive, key, unlocked};

/// A call of a store.
pub(crate) type Call = (&'static str, fn(&Arc<Store>) -> Result<(), Error>);

/// A call of a lease.
pub(crate) type LeaseCall = (&'static str, fn(&mut Lease) -> Result<(), Error>);

const END: End = End { tombstone: LIFE, grace: LIFE };

fn successor() -> Successor {
    Successor { key: key("next"), incarnation: 7 }
}

fn restored() -> Restored<'static> {
    Restored { payload: b"payload", created: 1_700_000_000, lifetime: LIFE, returned: false }
}

/// Those of a store.
pub(crate) const CALLS: &[Call] = &[
    ("acquire", |store| acquire(store, "s", &exclusive()).map(drop)),
    ("acquire without the lock", |store| acquire(store, "s", &unlocked()).map(drop)),
    ("acquire what exists", |store| store.acquire_existing(&key("s"), &exclusive()).map(drop)),
    ("look", |store| store.look(&key("s")).map(drop)),
    ("exists", |store| store.exists(&key("s")).map(drop)),
    ("destroy", |store| store.destroy(&key("s"), END).map(drop)),
    ("settle", |store| store.settle(&key("s"), &successor(), END)),
    ("reinstate", |store| store.reinstate(&key("s"), &successor()).map(drop)),
    ("status", |store| store.status().map(drop)),
    ("servers", |store| store.servers().map(drop)),
    ("walk", |store| store.walk(|_| ControlFlow::Continue(()))),
    ("inspect", |store| store.inspect(&key("s")).map(drop)),
    ("restore", |store| store.restore(&key("s"), &restored()).map(drop)),
    ("is vacant", |store| store.is_vacant(&key("s")).map(drop)),
    ("migrate in", |store| store.migrate_in(&key("s"), &restored()).map(drop)),
];

/// Those of a lease.
pub(crate) const LEASE_CALLS: &[LeaseCall] = &[
    ("commit", |lease| lease.commit(b"payload", LIFE, Over::Anything).map(drop)),
    ("commit over what was read", |lease| lease.commit(b"payload", LIFE, Over::WhatWasRead).map(drop)),
    ("touch", |lease| lease.touch(b"", LIFE).map(drop)),
    ("end", |lease| lease.destroy(END).map(drop)),
    ("is over", |lease| lease.is_over().map(drop)),
    ("name", |lease| lease.name(&successor(), None).map(drop)),
    ("release", |lease| {
        lease.release();
        Ok(())
    }),
];

/// What a server answers who gives the lock, and the session, which has no payload.
pub(crate) fn acquired() -> Vec<u8> {
    let mut value = [0; 112];
    value[..5].copy_from_slice(b"CLK\x02\x01");
    value[8] = 1;
    [&b"*5\r\n:0\r\n$112\r\n"[..], &value, b"\r\n:1700000000000000\r\n:0\r\n:0\r\n"].concat()
}
