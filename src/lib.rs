//! The PHP extension: glue between PHP's session module and [`cloakroom_session`], and nothing else.
//!
//! Floors: fault < zend < settings < worker < directives < handlers < report < module
//!
//! A floor imports only from those below it (`scripts/floors.py` checks it). From the top down, in the order in which PHP and a
//! request meet them:
//!
//! | floor | what it holds | unsafe |
//! |---|---|---|
//! | `module` | the entry that PHP loads; start and end of the module | yes |
//! | `report` | `Cloakroom\status()`, `metrics()`, `survey()` and `doctor()`, and the section of phpinfo() | yes |
//! | `handlers` | the save handler `cloakroom` and the class `Cloakroom\SessionHandler` | yes |
//! | `directives` | the ini directives: registered, and validated where they are changed; what `session.save_path` means | yes |
//! | `worker` | what one thread of PHP keeps; no panic leaves it; where a failure becomes an `E_WARNING` | yes |
//! | `settings` | what the directives say, as typed values | no |
//! | `zend` | what PHP is asked: its side in Rust signatures, over `src/zend/shim.c` | yes |
//! | `fault` | failures on purpose, in builds for tests only | yes |
//!
//! Nearly all of it talks to C and is unsafe somewhere; what a session handler *is* lies in `crates/session`, which forbids
//! unsafe code.

mod directives;
#[cfg(feature = "faults")]
mod fault;
mod handlers;
mod module;
mod report;
mod settings;
mod worker;
mod zend;
