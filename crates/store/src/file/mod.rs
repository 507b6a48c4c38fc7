//! The bytes: the store file, its mapping, its locks, and how its words are packed. Knows no session.

pub(crate) mod byte_lock;
pub(crate) mod error;
pub(crate) mod file_system;
pub(crate) mod layout;
pub(crate) mod limits;
pub(crate) mod process;
pub(crate) mod region;
pub(crate) mod store_file;
pub(crate) mod words;
