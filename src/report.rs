//! The extension's reports about itself and its store.
//!
//! | module | what it holds |
//! |---|---|
//! | `status` | `Cloakroom\status()`, `metrics()` and `survey()` |
//! | `doctor` | `Cloakroom\doctor()` |
//! | `info` | the section of phpinfo() |

pub(crate) mod doctor;
pub(crate) mod info;
pub(crate) mod status;
