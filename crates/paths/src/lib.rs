//! From a path to what is opened, where others may write on the way; and work with no more rights than a user has.
//!
//! Floors: error < walk, rights < file
//!
//! | module | what it holds |
//! |---|---|
//! | [`walk`] | paths gone step by step; whose links are followed |
//! | [`rights`] | the rights of a user, taken on by root for a while |
//! | [`mod@file`] | files opened to be read, made, and put into the place of others |
//! | [`error`] | [`Refused`]: why a path is not followed |
//!
//! Whoever can write to a directory on the way can exchange what a path leads to, at any time. So a path is gone once, and what
//! it led to is worked with by descriptor.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub mod error;
pub mod file;
pub mod rights;
pub mod walk;

pub use error::Refused;
pub use rights::Rights;
pub use walk::Links;
