//! The seam between sessions and storage: the one vocabulary of every crate that keeps sessions and every crate that uses them.
//!
//! Floors: printable < error, server, id, key, sample, room < succession < lease, inventory < store
//!
//! | module | what it holds |
//! |---|---|
//! | [`store`] | [`Store`]: what a place that keeps sessions does, and what it is asked for |
//! | [`lease`] | [`Lease`]: what a request holds while it works on one session |
//! | [`succession`] | [`Succession`]: the session that takes another's place when an id is replaced |
//! | [`room`] | [`Room`]: where a payload is read to |
//! | [`key`] | [`Key`]: where a session lives in a store |
//! | [`id`] | [`SessionId`] and [`Namespace`]: what keys are made of, values that can only be built valid |
//! | [`error`] | [`StoreError`]: what a store answers instead of a result |
//! | [`printable`] | [`Printable`]: the words of strangers, as text for people |
//! | [`inventory`] | [`Inventory`]: what tools see of a store |
//! | [`sample`] | [`Sample`]: sizes and ages of some sessions |
//! | [`server`] | [`ServerInfo`]: what a server of a store says of itself |
//!
//! Invariants every store keeps (the conformance suite of the crate `session` checks them):
//! - the lock and the read are one call, the write and the unlock are one call;
//! - a commit, touch or destroy reaches only the *incarnation* of the session that its lease acquired: what was
//!   destroyed stays destroyed;
//! - a commit over what was read ([`Over::WhatWasRead`]) replaces no *version* that its lease has not read;
//! - a reader without a lock ([`Store::snapshot`]) sees a whole, committed payload, and never waits for a lease;
//! - a session that names a successor, or whose successor has taken its place, is written by nobody;
//! - a session past its lifetime is absent for all requests at once.
//!
//! Times are [`Duration`](std::time::Duration)s with at least second resolution; payloads are bytes of 0 to 16 MiB.
#![deny(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub mod error;
pub mod id;
pub mod inventory;
pub mod key;
pub mod lease;
pub mod printable;
#[expect(unsafe_code, reason = "memory that nobody has written yet is filled here and nowhere else")]
pub mod room;
pub mod sample;
pub mod server;
pub mod store;
pub mod succession;

pub use error::{Holder, StoreError};
pub use id::{InvalidId, InvalidNamespace, MAX_ID, MAX_NAMESPACE, Namespace, SessionId};
pub use inventory::{Entry, Inventory, KeyOrigin, Restore, Restored};
pub use key::Key;
pub use lease::{Committed, End, Lease, MAX_PAYLOAD, Mark, Over};
pub use printable::Printable;
pub use room::Room;
pub use sample::{Sample, Sampled};
pub use server::ServerInfo;
pub use store::{Acquire, Destroyed, Effort, LockMode, Look, Store};
pub use succession::{Named, Succession, Successor};
