//! The PHP session handler, without PHP.
//!
//! Floors: serialized, id, name, save_path, directives, user_path, any_store, figures, survey < doctor, merge, error, metrics
//! < version_changed, succession, drawing, migration, aftermath < request < standalone
//!
//! | module | what it holds |
//! |---|---|
//! | [`seam`] | the [`Store`] and [`Lease`] traits and their vocabulary, a crate of its own |
//! | [`error`] | [`RequestError`](error::RequestError): why a call of PHP cannot be carried out |
//! | [`id`] | [`IdShape`]: how new ids look; drawing them |
//! | [`save_path`] | [`SavePath`]: which store a `session.save_path` means |
//! | [`directives`] | the values of the `cloakroom.*` directives |
//! | [`user_path`] | [`UserPath`]: where in a session the user's id stands |
//! | [`merge`](mod@merge) | the three-way merge of encoded payloads |
//! | [`serialized`] | the tokens of PHP's serialization |
//! | [`name`] | [`Name`](name::Name): the name by which people and tools call a session |
//! | [`any_store`] | [`AnyStore`]: an open store, whichever it is; opening stores |
//! | [`version_changed`] | what a commit does that meets another version than was read |
//! | `aftermath` | what a request may not write that has ended a session too late |
//! | `succession` | what an id shows that was replaced by another |
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

mod aftermath;
pub mod any_store;
pub mod directives;
pub mod doctor;
mod drawing;
pub mod error;
pub mod figures;
pub mod id;
pub mod merge;
pub mod metrics;
pub mod migration;
pub mod name;
pub mod request;
pub mod save_path;
pub mod serialized;
pub mod standalone;
mod succession;
pub mod survey;
pub mod user_path;
pub mod version_changed;

pub use any_store::AnyStore;
pub use cloakroom_seam as seam;
pub use cloakroom_store::{prepare, remove_empty_stores};
pub use id::IdShape;
pub use migration::Migration;
pub use request::Request;
pub use save_path::SavePath;
pub use seam::{Acquire, Effort, Inventory, Key, Lease, LockMode, Namespace, SessionId, Store, StoreError};
pub use standalone::Standalone;
pub use user_path::UserPath;
