//! What a PHP session handler is, without PHP.
//!
//! Circles: drawing, error, inventory, seam
//!
//! | module | what it holds |
//! |---|---|
//! | [`seam`] | the [`Store`] and [`Lease`] traits: the one seam between sessions and storage |
//! | [`error`] | [`StoreError`]: what a store can answer instead of a result |
//! | [`id`] | [`SessionId`], [`Namespace`] and [`IdShape`]: values that can only be built valid; id generation |
//! | [`save_path`] | [`SavePath`]: which store a `session.save_path` means |
//! | [`directives`] | the values of the `cloakroom.*` directives |
//! | [`merge`](mod@merge) | the three-way merge of encoded payloads |
//! | [`inventory`] | [`Inventory`]: what tools see of a store |
//! | [`local`] | the adapter of the local store |
//! | [`redis`] | the adapter of the Redis and Valkey store |
//! | [`moved`] | what a commit does whose session has moved on since it was read |
//! | [`request`] | [`Request`]: one open handler, and which call may follow which |
//! | [`standalone`] | [`Standalone`]: a handler object that nobody opened |
//! | [`migration`] | [`Migration`]: sessions of the handler that was used before |
//! | [`figures`] | what each figure of a store means |
//! | [`metrics`] | the figures in the OpenMetrics text format |
//! | [`doctor`] | what keeps sessions from being safe or kept, and what to do |
//! | [`survey`] | how large and how old the sessions are |
//!
//! The way of a request: [`Store::acquire`] (lock + read in one step), the script runs, then one of
//! [`Lease::commit`], [`Lease::touch`], [`Lease::destroy`] or [`Lease::release`] (write + unlock in one step).
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub mod directives;
pub mod doctor;
mod drawing;
pub mod error;
pub mod figures;
pub mod id;
pub mod inventory;
pub mod local;
pub mod merge;
pub mod metrics;
pub mod migration;
pub mod moved;
pub mod redis;
pub mod request;
pub mod save_path;
pub mod seam;
pub mod standalone;
pub mod survey;

pub use cloakroom_store::prepare;
pub use error::StoreError;
pub use id::{IdShape, Namespace, SessionId};
pub use inventory::Inventory;
pub use migration::Migration;
pub use request::Request;
pub use save_path::SavePath;
pub use seam::{Acquire, Effort, Key, Lease, LockMode, Store};
pub use standalone::Standalone;
