//! The `session.save_path` of php-memcached: servers separated by commas or spaces, and behind a `?` what php-memcached
//! has in settings of its own.
//!
//! ```text
//! host[:11211[:weight]],/path/to/socket[:0][?prefix=app.&timeout=2]
//! ```
//!
//! `prefix` is `memcached.sess_prefix`, `timeout` is ours: seconds for each command. The texts name servers by their
//! number and quote nothing.

use std::net::Ipv6Addr;
use std::time::Duration;

use cloakroom_redis_store::address::{DEFAULT_TIMEOUT, Endpoint};

use crate::ParseError;

/// The value of `memcached.sess_prefix` where no configuration sets it.
const DEFAULT_PREFIX: &[u8] = b"memc.sess.key.";
/// The port of a host without one.
const DEFAULT_PORT: u16 = 11211;
/// The longest that a command may take.
const LONGEST: f64 = 30.0;
/// The most bytes that a name may have in memcached.
pub(super) const LONGEST_NAME: usize = 250;

/// The contents of a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SavePath {
    pub(super) servers: Vec<Endpoint>,
    pub(super) prefix: Vec<u8>,
    pub(super) timeout: Duration,
}

/// Reads a path, with one server at least.
pub(super) fn parse(path: &[u8]) -> Result<SavePath, ParseError> {
    let refused = |text: String| ParseError::Path(text);
    let text = std::str::from_utf8(path).map_err(|_| refused("the path of php-memcached is not text".to_owned()))?;
    if text.contains("--SERVER") || text.contains("--SOCKET") {
        let text = "the form --SERVER=… of php-memcached's path is not understood; write memcached:host:port,host:port";
        return Err(refused(text.to_owned()));
    }
    let (servers, options) = text.split_once('?').unwrap_or((text, ""));
    // Before version 3 the name of a persistent connection stood in front.
    let servers = match servers.strip_prefix("PERSISTENT=") {
        Some(rest) => rest.split_once(' ').map_or("", |(_, servers)| servers),
        None => servers,
    };
    let parts = servers.split([',', ' ', '\t']).filter(|server| !server.is_empty());
    let servers: Vec<Endpoint> = parts
        .enumerate()
        .map(|(at, part)| {
            server(part)
                .map_err(|problem| refused(format!("server {} of the path of php-memcached: {problem}", at + 1)))
        })
        .collect::<Result<_, _>>()?;
    if servers.is_empty() {
        return Err(refused("the path of php-memcached names no server; write memcached:host:port".to_owned()));
    }
    let (prefix, timeout) =
        self::options(options).map_err(|problem| refused(format!("the path of php-memcached: {problem}")))?;
    Ok(SavePath { servers, prefix, timeout })
}

/// The fault of a part of a path.
type Problem = &'static str;

fn server(part: &str) -> Result<Endpoint, Problem> {
    if part.starts_with('/') {
        let path = part.split(':').next().unwrap_or_default();
        return Ok(Endpoint::Unix(path.into()));
    }
    if part.contains("://") {
        return Err("there is no scheme; write host:port or /path/to/socket");
    }
    let (host, rest) = match part.strip_prefix('[') {
        Some(inside) => {
            let (host, rest) = inside.split_once(']').ok_or("the ] after an IPv6 address is missing")?;
            host.parse::<Ipv6Addr>().map_err(|_| "what stands in brackets is not an IPv6 address")?;
            let rest = if rest.is_empty() { "" } else { rest.strip_prefix(':').ok_or("after ] comes :port")? };
            (host, rest)
        }
        None => {
            let (host, rest) = part.split_once(':').unwrap_or((part, ""));
            if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)) {
                return Err(
                    "a host has letters, digits, dots, hyphens and underscores only; an IPv6 address stands in brackets",
                );
            }
            (host, rest)
        }
    };
    let (port, weight) = rest.split_once(':').map_or((rest, None), |(port, weight)| (port, Some(weight)));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if weight.is_some_and(|weight| !is_number(weight)) {
        return Err("the weight after the port must be a number");
    }
    let port = match port {
        "" if weight.is_none() => DEFAULT_PORT,
        port if is_number(port) => {
            port.parse().ok().filter(|port| *port > 0).ok_or("the port must be a number from 1 to 65535")?
        }
        _ => return Err("the port must be a number from 1 to 65535"),
    };
    Ok(Endpoint::Tcp { host: host.to_owned(), port })
}

fn options(text: &str) -> Result<(Vec<u8>, Duration), Problem> {
    let (mut prefix, mut timeout) = (DEFAULT_PREFIX.to_vec(), DEFAULT_TIMEOUT);
    for option in text.split('&').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("prefix", value)) => prefix = value.as_bytes().to_vec(),
            Some(("timeout", value)) => {
                let seconds = value.parse().ok().filter(|seconds: &f64| *seconds > 0.0 && seconds.is_finite());
                let seconds = seconds.ok_or("timeout must be seconds, such as 2 or 0.5")?;
                timeout = Duration::from_secs_f64(seconds.min(LONGEST));
            }
            Some(("persistent" | "weight" | "retry_interval", _)) => {}
            _ => return Err("after the ? there are prefix=… (what memcached.sess_prefix says) and timeout=…"),
        }
    }
    // As php-memcached has it: nothing in it that would end a name.
    if prefix.len() >= LONGEST_NAME || !prefix.iter().all(u8::is_ascii_graphic) {
        return Err("the prefix must be of printable characters without spaces, fewer than 250");
    }
    Ok((prefix, timeout.max(Duration::from_millis(1))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Endpoint {
        Endpoint::Tcp { host: host.to_owned(), port }
    }

    fn servers(path: &str) -> Vec<Endpoint> {
        parse(path.as_bytes()).unwrap_or_else(|error| panic!("{path}: {error}")).servers
    }

    #[test]
    fn servers_are_found() {
        assert_eq!(servers("127.0.0.1:11212"), [tcp("127.0.0.1", 11212)]);
        assert_eq!(servers("host"), [tcp("host", 11211)]);
        assert_eq!(servers("a:1:33, b:2,,c"), [tcp("a", 1), tcp("b", 2), tcp("c", 11211)]);
        assert_eq!(servers("a:1 b:2"), [tcp("a", 1), tcp("b", 2)]);
        assert_eq!(
            servers("/run/m.sock:0,/run/n"),
            [Endpoint::Unix("/run/m.sock".into()), Endpoint::Unix("/run/n".into())]
        );
        assert_eq!(servers("[::1]:7,[::2]"), [tcp("::1", 7), tcp("::2", 11211)]);
        assert_eq!(servers("PERSISTENT=pool a:1"), [tcp("a", 1)]);
        assert_eq!(servers("a:1?persistent=1&weight=2"), [tcp("a", 1)]);
    }

    #[test]
    fn options_are_read() {
        let plain = parse(b"a").expect("a path");
        assert_eq!((plain.prefix.as_slice(), plain.timeout), (DEFAULT_PREFIX, DEFAULT_TIMEOUT));
        let path = parse(b"a?prefix=app.&timeout=0.25").expect("a path");
        assert_eq!((path.prefix.as_slice(), path.timeout), (&b"app."[..], Duration::from_millis(250)));
        assert_eq!(parse(b"a?prefix=").expect("a path").prefix, b"");
        assert_eq!(parse(b"a?timeout=86400").expect("a path").timeout, Duration::from_secs_f64(LONGEST));
    }

    #[test]
    fn what_is_wrong_is_told_without_quoting_anything() {
        let long = format!("a?prefix={}", "x".repeat(250));
        for (path, part) in [
            ("", "names no server"),
            (" , ", "names no server"),
            ("PERSISTENT=secret", "names no server"),
            ("--SERVER=secret:1", "--SERVER"),
            ("a:1,tcp://secret:2", "server 2 of the path of php-memcached: there is no scheme"),
            ("secret@host:1", "a host has"),
            (":1", "a host has"),
            ("a:secret", "from 1 to 65535"),
            ("a:0", "from 1 to 65535"),
            ("a:65536", "from 1 to 65535"),
            ("a:1:secret", "weight"),
            ("::1", "a host has"),
            ("[secret]:1", "IPv6"),
            ("[::1", "]"),
            ("[::1]secret", "port"),
            ("a?secret=1", "after the ?"),
            ("a?timeout=secret", "seconds"),
            ("a?timeout=-1", "seconds"),
            ("a?prefix=secret x", "printable"),
            ("a?prefix=secret\r\n", "printable"),
            (&long, "printable"),
        ] {
            let text = match parse(path.as_bytes()) {
                Ok(found) => panic!("{path} was taken for {found:?}"),
                Err(error) => error.to_string(),
            };
            assert!(text.contains(part), "{path}: {text}");
            assert!(!text.contains("secret"), "{path}: {text}");
        }
        assert!(parse(b"a\xff").is_err());
    }
}
