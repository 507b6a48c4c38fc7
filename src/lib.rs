//! The PHP extension: glue between PHP's session module and [`cloakroom_session`], and nothing else.
//!
//! In the order in which a request meets them:
//!
//! | module | what it holds | unsafe |
//! |---|---|---|
//! | `module` | the entry that PHP loads; start and end of the module | yes |
//! | `settings` | the ini directives, kept as typed values | yes |
//! | `save_handler` | the nine functions that PHP's session module calls | yes |
//! | `session_handler` | the methods of `Cloakroom\SessionHandler`, over `src/session_handler.c` | yes |
//! | `objects` | what a thread keeps of the objects of that class | no |
//! | `attach` | from `session.save_path` to an open store | yes |
//! | `worker` | what one thread of PHP keeps; no panic leaves it | yes |
//! | `warning` | where a failure becomes an `E_WARNING` | yes |
//! | `migration` | the directives of moving from another handler, and how phpinfo() shows them | yes |
//! | `status` | `Cloakroom\status()`, `metrics()` and `survey()` | yes |
//! | `doctor` | `Cloakroom\doctor()` | yes |
//! | `info` | the section of phpinfo() | yes |
//! | `fault` | failures on purpose, in builds for tests only | yes |
//! | `ps_module` | a mirror of PHP's interface for save handlers | yes |
//! | `php` | PHP's side in Rust signatures, over `src/shim.c` | yes |
//!
//! All of it talks to C, so all of it is unsafe somewhere; what a session handler *is* lies in `crates/session`,
//! which forbids unsafe code.

mod attach;
mod doctor;
#[cfg(feature = "faults")]
mod fault;
mod info;
mod migration;
mod module;
mod objects;
mod php;
mod ps_module;
mod save_handler;
mod session_handler;
mod settings;
mod status;
mod warning;
mod worker;
