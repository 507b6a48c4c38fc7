//! What a PHP session handler is, without PHP.
//!
//! | module | what it holds |
//! |---|---|
//! | [`seam`] | the [`Store`] and [`Lease`] traits: the one seam between sessions and storage |
//! | [`error`] | [`StoreError`]: what a store can answer instead of a result |
//! | [`id`] | [`SessionId`] and [`Namespace`]: values that can only be built valid; id generation |
//!
//! The way of a request: [`Store::acquire`] (lock + read in one step), the script runs, then one of
//! [`Lease::commit`], [`Lease::touch`], [`Lease::destroy`] or [`Lease::release`] (write + unlock in one step).
#![forbid(unsafe_code)]

pub mod error;
pub mod id;
pub mod seam;

pub use error::StoreError;
pub use id::{Namespace, SessionId};
pub use seam::{Acquire, Effort, Key, Lease, LockMode, Store};
