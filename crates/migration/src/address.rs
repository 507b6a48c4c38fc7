//! Which storage of which handler an address names: `KIND:WHERE`, with what the handler's own `session.save_path` says
//! after the colon.

use std::sync::Arc;

use crate::Source;
use crate::error::ParseError;
use crate::files::Files;
use crate::memcached::PhpMemcached;
use crate::redis::PhpRedis;

/// The storage that `text` names: `files:DIR`, `files:N;DIR`, `files:N;MODE;DIR`, `redis:` and a path of phpredis,
/// `memcached:` and a path of php-memcached. Nothing is opened or connected to.
/// `user` is whose sessions are meant, where the storage tells users apart; without one, those of the process at the time
/// it asks.
///
/// # Errors
/// [`ParseError`] with what to write instead.
pub fn parse(text: &[u8], user: Option<u32>) -> Result<Arc<dyn Source>, ParseError> {
    let Some(colon) = text.iter().position(|&byte| byte == b':') else { return Err(ParseError::Kind) };
    let (kind, path) = text.split_at(colon);
    let path = path.split_first().map_or(path, |(_, path)| path);
    match kind {
        b"files" => Ok(Arc::new(Files::parse(path, user)?)),
        b"redis" => Ok(Arc::new(PhpRedis::parse(path)?)),
        b"memcached" => Ok(Arc::new(PhpMemcached::parse(path)?)),
        _ => Err(ParseError::Kind),
    }
}

/// The directory of a handler `files` that `text` names, as [`parse`] takes it.
///
/// # Errors
/// [`ParseError`] with what to write instead.
pub fn parse_files(text: &[u8], user: Option<u32>) -> Result<Files, ParseError> {
    let path = text.strip_prefix(b"files:").ok_or(ParseError::Files)?;
    Files::parse(path, user)
}
