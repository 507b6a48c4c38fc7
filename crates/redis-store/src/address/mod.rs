//! Where a Redis or Valkey store is: what a `session.save_path` URL says, as types that can only be built valid
//! by [`Address::parse`].
//!
//! ```text
//! redis://[user:password@]host[:6379][/database][?options]                      rediss:// with TLS
//! redis+unix://[user:password@]/path/to/socket[?db=0&options]
//! redis-cluster://[user:password@]host[:6379],host...[?options]                 redis-clusters:// with TLS
//! redis-sentinel://[user:password@]host[:26379],host.../service[/database][?options]      redis-sentinels://
//! ```
//!
//! `valkey` may stand for `redis` in each scheme. What has a meaning in URLs is percent-encoded where it is meant
//! literally; the rules are strict, so that a password with a stray `@` or `/` is an error and never taken apart into
//! something that would be shown.

mod error;
mod options;
mod parse;
mod part;
mod scheme;
mod secret;
mod types;
mod words;

pub use self::error::{AddressError, Problem};
pub use self::secret::{Secret, SecretError};
pub use self::types::{Address, DEFAULT_PREFIX, DEFAULT_TIMEOUT, Endpoint, Engine, Servers, Tls};
pub use self::words::SCHEMES;
