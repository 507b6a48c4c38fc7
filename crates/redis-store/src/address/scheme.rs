//! What the scheme of a URL says.

use super::error::{AddressError, Problem};
use super::part::Part;
use super::types::Engine;
use super::words::SCHEMES;

/// The forms of addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Server,
    Socket,
    Cluster,
    Sentinel,
}

/// The engine, the form of the address, whether it asks for TLS, and what follows the scheme.
pub(super) fn scheme(whole: Part<'_>) -> Result<(Engine, Kind, bool, Part<'_>), AddressError> {
    let unknown = || whole.error(Problem::Scheme);
    let (written, _) = whole.text.split_once("://").ok_or_else(unknown)?;
    let scheme = SCHEMES.iter().find(|scheme| scheme.eq_ignore_ascii_case(written)).ok_or_else(unknown)?;
    let (engine, form) = match scheme.strip_prefix("redis") {
        Some(form) => (Engine::Redis, form),
        None => (Engine::Valkey, scheme.strip_prefix("valkey").ok_or_else(unknown)?),
    };
    let secure = form.ends_with('s');
    let kind = match form.trim_end_matches('s') {
        "" => Kind::Server,
        "+unix" => Kind::Socket,
        "-cluster" => Kind::Cluster,
        _ => Kind::Sentinel,
    };
    let behind = written.len() + "://".len();
    Ok((engine, kind, secure, Part { text: whole.text.split_at(behind).1, at: whole.at + behind }))
}
