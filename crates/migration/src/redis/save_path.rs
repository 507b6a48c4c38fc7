//! The `session.save_path` of phpredis: servers separated by commas or spaces, each a URL whose query has the parameters.
//!
//! ```text
//! tcp://host[:6379]?auth=password&database=1&prefix=app:    tls:// or ssl:// with TLS
//! unix:///path/to/socket?auth[user]=name&auth[pass]=password
//! ```
//!
//! What phpredis reads is understood as it understands it: user, password and path of a `tcp://` URL and parameters that
//! it does not know mean nothing, a `#` in the query is itself, the last of equal parameters counts. What would make it
//! fail, and what would weaken a connection, is refused. The texts name servers by their number and quote nothing, as any
//! part may be a piece of a password.

use std::ffi::OsString;
use std::net::Ipv6Addr;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::time::Duration;

use cloakroom_redis_store::address::{Address, DEFAULT_TIMEOUT, Endpoint, Engine, Secret, Servers, Tls};

use crate::ParseError;

/// The prefix of phpredis where the path names none.
const DEFAULT_PREFIX: &[u8] = b"PHPREDIS_SESSION:";
/// The port of `tcp://host`.
const DEFAULT_PORT: u16 = 6379;
/// More than this is not waited for, whatever the path says: phpredis has a day by default.
const LONGEST: f64 = 30.0;

/// One server of a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NamedServer {
    /// How to reach it. Its own prefix means nothing, as that of phpredis may be any bytes.
    pub(super) address: Address,
    /// The beginning of its sessions' names.
    pub(super) prefix: Vec<u8>,
}

/// The servers of a path, one at least.
pub(super) fn parse(path: &[u8]) -> Result<Vec<NamedServer>, ParseError> {
    let path = path.trim_ascii();
    if [&b"seed"[..], b"name="].iter().any(|beginning| path.starts_with(beginning)) {
        return Err(refused(
            "this is the path of the handler rediscluster, whose sessions cannot be migrated; of phpredis it can be the handler redis: \
             redis:tcp://host:port",
        ));
    }
    let servers = path.split(|byte| byte.is_ascii_whitespace() || *byte == b',').filter(|server| !server.is_empty());
    let servers: Vec<NamedServer> = servers
        .enumerate()
        .map(|(at, server)| {
            named_server(server)
                .map_err(|problem| refused(&format!("server {} of the path of phpredis: {problem}", at + 1)))
        })
        .collect::<Result<_, _>>()?;
    if servers.is_empty() {
        return Err(refused("the path of phpredis names no server; write redis:tcp://host:port"));
    }
    Ok(servers)
}

fn refused(text: &str) -> ParseError {
    ParseError::Path(text.to_owned())
}

/// The fault of one server.
type Problem = &'static str;

fn named_server(text: &[u8]) -> Result<NamedServer, Problem> {
    let (server, query) = cut(text, b'?').unwrap_or((text, b""));
    let (endpoint, secure) = endpoint(server)?;
    let parameters = Parameters::read(query);
    let (user, password) = parameters.credentials()?;
    let database = match parameters.of("database") {
        None => 0,
        // Text that is no number is 0 for phpredis, and below 0 its default.
        Some(text) => u32::try_from(leading_integer(text).max(0)).map_err(|_| "database is too large")?,
    };
    if parameters.of("weight").is_some_and(|weight| leading_integer(weight) <= 0) {
        return Err("weight must be greater than 0");
    }
    let connect_timeout = parameters.seconds("timeout")?;
    if connect_timeout.is_some_and(|time| time.is_zero()) {
        return Err("timeout must be greater than 0");
    }
    let timeout = parameters.seconds("read_timeout")?.filter(|time| !time.is_zero());
    let address = Address {
        engine: Engine::Redis,
        servers: Servers::One(endpoint),
        tls: if secure { Some(parameters.tls()?) } else { None },
        database,
        user,
        password,
        prefix: String::new(),
        connect_timeout: connect_timeout.unwrap_or(DEFAULT_TIMEOUT),
        timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
    };
    Ok(NamedServer { address, prefix: parameters.of("prefix").map_or(DEFAULT_PREFIX, Vec::as_slice).to_vec() })
}

/// Where a server is, and whether it is spoken to with TLS.
fn endpoint(server: &[u8]) -> Result<(Endpoint, bool), Problem> {
    for scheme in [&b"unix:"[..], b"file:"] {
        if let Some(path) = server.strip_prefix(scheme) {
            // As in any URL, the text between two slashes and a third would be a host.
            return socket(path.strip_prefix(b"//").unwrap_or(path)).map(|socket| (socket, false));
        }
    }
    if server.starts_with(b"/") {
        return socket(server).map(|socket| (socket, false));
    }
    let server = std::str::from_utf8(server).map_err(|_| "the host is not text")?;
    let (scheme, rest) = server.split_once("://").unwrap_or(("tcp", server));
    let secure = match scheme.to_ascii_lowercase().as_str() {
        "tcp" => false,
        "tls" | "ssl" | "tlsv1.2" | "tlsv1.3" => true,
        _ => return Err("the schemes of phpredis are tcp://, tls:// and unix://"),
    };
    let authority = rest.split(['/', '#']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, servers)| servers);
    let (host, port) = match authority.strip_prefix('[') {
        Some(inside) => {
            let (host, port) = inside.split_once(']').ok_or("the ] after an IPv6 address is missing")?;
            host.parse::<Ipv6Addr>().map_err(|_| "what stands in brackets is not an IPv6 address")?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or("after ] comes :port")?) })
        }
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Err("the host is missing; write tcp://host:port or unix:///path");
    }
    if !authority.starts_with('[') && !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)) {
        return Err(
            "a host has letters, digits, dots, hyphens and underscores only; an IPv6 address stands in brackets",
        );
    }
    if !server.contains("://") && port.is_none() {
        return Err("without tcp:// and without a port this is no server; write tcp://host:port or unix:///path");
    }
    let port = match port {
        None => DEFAULT_PORT,
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            port.parse().ok().filter(|port| *port > 0).ok_or("the port must be a number from 1 to 65535")?
        }
        Some(_) => return Err("the port must be a number from 1 to 65535"),
    };
    Ok((Endpoint::Tcp { host: host.to_owned(), port }, secure))
}

fn socket(path: &[u8]) -> Result<Endpoint, Problem> {
    if !path.starts_with(b"/") || path == b"/" || path.contains(&0) {
        return Err("the path of a socket must be absolute: unix:///path/to/socket");
    }
    Ok(Endpoint::Unix(file(path)))
}

fn file(path: &[u8]) -> PathBuf {
    OsString::from_vec(path.to_vec()).into()
}

/// Names and values of a query, decoded.
struct Parameters(Vec<(Vec<u8>, Vec<u8>)>);

impl Parameters {
    fn read(query: &[u8]) -> Self {
        let parts = query.split(|byte| *byte == b'&').filter(|part| !part.is_empty());
        Self(parts.map(|part| cut(part, b'=').unwrap_or((part, b""))).map(|(n, v)| (decoded(n), decoded(v))).collect())
    }

    /// The value of a parameter, the last one where there are several.
    fn of(&self, name: &str) -> Option<&Vec<u8>> {
        self.0.iter().rev().find(|(known, _)| known == name.as_bytes()).map(|(_, value)| value)
    }

    /// `auth=password`, `auth[]=user&auth[]=password`, `auth[user]=…&auth[pass]=…`, or a list of a password alone.
    fn credentials(&self) -> Result<(Option<String>, Option<Secret>), Problem> {
        let is_listed = |name: &[u8]| [&b"auth[]"[..], b"auth[0]", b"auth[1]"].contains(&name);
        let listed: Vec<_> = self.0.iter().filter(|(name, _)| is_listed(name)).map(|(_, value)| value).collect();
        let (user, password) = match (self.of("auth"), listed.as_slice()) {
            (Some(password), []) => (None, Some(password)),
            (None, []) => (self.of("auth[user]"), self.of("auth[pass]")),
            (None, [password]) => (None, Some(*password)),
            (None, [user, password]) => (Some(*user), Some(*password)),
            _ => return Err("auth is a password, or a user and a password: auth[user]=…&auth[pass]=…"),
        };
        let text =
            |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).map_err(|_| "user or password in auth is not UTF-8");
        let user = user.filter(|user| !user.is_empty()).map(text).transpose()?;
        match password {
            Some(password) if password.is_empty() => {
                Err("the password in auth is empty; leave auth out where there is none")
            }
            Some(password) => Ok((user, Some(Secret::literal(text(password)?)))),
            None if user.is_some() => Err("auth names a user without a password; add auth[pass]=…"),
            None => Ok((None, None)),
        }
    }

    /// Seconds, at most [`LONGEST`].
    fn seconds(&self, name: &str) -> Result<Option<Duration>, Problem> {
        let Some(text) = self.of(name) else { return Ok(None) };
        let wrong = "timeout and read_timeout must be seconds, such as 2 or 0.5";
        let seconds: f64 = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(wrong)?;
        if seconds.is_finite() && seconds >= 0.0 {
            Ok(Some(Duration::from_secs_f64(seconds.min(LONGEST))))
        } else {
            Err(wrong)
        }
    }

    /// The settings of `stream[…]` for TLS.
    fn tls(&self) -> Result<Tls, Problem> {
        let is_off = |name: &str| self.of(name).is_some_and(|value| value.is_empty() || value == b"0");
        if is_off("stream[verify_peer]") || is_off("stream[verify_peer_name]") {
            return Err(
                "the certificate of the server is always verified; name the authority in stream[cafile] instead of verify_peer=0",
            );
        }
        for name in ["stream[peer_name]", "stream[passphrase]", "stream[capath]", "stream[peer_fingerprint]"] {
            if self.of(name).is_some() {
                return Err("of stream[…] there are cafile, local_cert and local_pk here");
            }
        }
        let of = |name: &str| self.of(name).map(|path| file(path));
        let (ca, cert) = (of("stream[cafile]"), of("stream[local_cert]"));
        // PHP takes a file for both where only one is named.
        let key = of("stream[local_pk]").or_else(|| cert.clone());
        Ok(Tls { ca, key: key.filter(|_| cert.is_some()), cert })
    }
}

fn cut(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let found = bytes.iter().position(|byte| *byte == at)?;
    Some((bytes.get(..found)?, bytes.get(found + 1..)?))
}

/// As PHP decodes queries: `+` is a space, and a `%` without two digits is itself.
fn decoded(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        decoded.push(match (first, after) {
            (b'+', _) => b' ',
            (b'%', [high, low, ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                rest = after.get(2..).unwrap_or_default();
                let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                digit(*high).zip(digit(*low)).map_or(b'%', |(high, low)| high << 4 | low)
            }
            _ => first,
        });
    }
    decoded
}

/// The integer that a text begins with, as PHP converts it; 0 where there is none.
fn leading_integer(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let sign = text.iter().take_while(|byte| b"+-".contains(byte)).count().min(1);
    let digits = text.iter().skip(sign).take_while(|byte| byte.is_ascii_digit()).count();
    let number = text.get(..sign + digits).and_then(|number| std::str::from_utf8(number).ok());
    match number.and_then(|number| number.parse().ok()) {
        Some(number) => number,
        // More digits than fit.
        None if digits > 0 => i64::MAX,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(path: &str) -> NamedServer {
        let mut servers = parse(path.as_bytes()).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(servers.len(), 1, "{path}");
        servers.remove(0)
    }

    fn problem(path: &str) -> String {
        match parse(path.as_bytes()) {
            Ok(servers) => panic!("{path} was taken for {servers:?}"),
            Err(error) => error.to_string(),
        }
    }

    fn tcp(host: &str, port: u16) -> Servers {
        Servers::One(Endpoint::Tcp { host: host.to_owned(), port })
    }

    fn unix(path: &str) -> Servers {
        Servers::One(Endpoint::Unix(path.into()))
    }

    fn password(server: &NamedServer) -> Option<String> {
        server.address.password.as_ref().map(|secret| secret.reveal().expect("a literal one"))
    }

    #[test]
    fn servers_are_found() {
        assert_eq!(one("tcp://10.0.0.1:6380").address.servers, tcp("10.0.0.1", 6380));
        assert_eq!(one("tcp://host").address.servers, tcp("host", 6379));
        assert_eq!(one("host:1").address.servers, tcp("host", 1));
        assert_eq!(one("TCP://[::1]:7000/9").address.servers, tcp("::1", 7000));
        assert_eq!(one("tcp://name:word@host:7/4?database=2").address.servers, tcp("host", 7));
        assert_eq!(one("unix:///run/a b.sock".replace(' ', "%20").as_str()).address.servers, unix("/run/a%20b.sock"));
        assert_eq!(one("unix:/run/s").address.servers, unix("/run/s"));
        assert_eq!(one("/run/s?database=1").address.servers, unix("/run/s"));
        assert!(one("tcp://host").address.tls.is_none());
        assert_eq!(one("tls://host").address.tls, Some(Tls::default()));
        let several = parse(b" tcp://a:1?weight=1, tcp://b:2?weight=2&prefix=x:,,\ttcp://c:3 ").expect("three servers");
        let found: Vec<_> = several.iter().map(|server| server.address.location()).collect();
        assert_eq!(found, ["redis://a:1", "redis://b:2", "redis://c:3"]);
        assert_eq!(several.get(1).map(|server| server.prefix.as_slice()), Some(&b"x:"[..]));
    }

    #[test]
    fn parameters_mean_what_they_mean_to_phpredis() {
        let server = one("tcp://h?prefix=a+b%3A%zz#c&database=3x&unknown=1&timeout=2.5&read_timeout=0&database=4");
        assert_eq!(server.prefix, b"a b:%zz#c");
        assert_eq!(server.address.database, 4);
        assert_eq!(server.address.connect_timeout, Duration::from_millis(2500));
        assert_eq!(server.address.timeout, DEFAULT_TIMEOUT);
        assert_eq!(one("tcp://h").prefix, DEFAULT_PREFIX);
        assert_eq!(one("tcp://h?prefix=").prefix, b"");
        assert_eq!(one("tcp://h?database=x").address.database, 0);
        assert_eq!(one("tcp://h?database=-1").address.database, 0);
        assert_eq!(one("tcp://h?timeout=86400").address.connect_timeout, Duration::from_secs_f64(LONGEST));
    }

    #[test]
    fn credentials_have_several_forms() {
        for (query, user, word) in [
            ("", None, None),
            ("auth=a%26b", None, Some("a&b")),
            ("auth[]=word", None, Some("word")),
            ("auth[]=u&auth[]=p", Some("u"), Some("p")),
            ("auth%5B%5D=u&auth%5B%5D=p", Some("u"), Some("p")),
            ("auth[0]=u&auth[1]=p", Some("u"), Some("p")),
            ("auth[user]=u&auth[pass]=p", Some("u"), Some("p")),
            ("auth[pass]=p", None, Some("p")),
        ] {
            let server = one(&format!("tcp://h?{query}"));
            assert_eq!((server.address.user.as_deref(), password(&server).as_deref()), (user, word), "{query}");
        }
    }

    #[test]
    fn files_for_tls_come_from_the_stream_options() {
        let tls = one("tls://h?stream[cafile]=/a&stream[local_cert]=/c").address.tls.expect("TLS");
        assert_eq!((tls.ca, tls.cert, tls.key), (Some("/a".into()), Some("/c".into()), Some("/c".into())));
        assert!(problem("tls://h?stream[verify_peer]=0").contains("verified"));
        assert!(problem("tls://h?stream[peer_name]=x").contains("cafile"));
        assert!(one("tcp://h?stream[verify_peer]=0").address.tls.is_none());
    }

    #[test]
    fn what_is_wrong_is_told_without_quoting_anything() {
        for (path, part) in [
            ("", "names no server"),
            (" , ,", "names no server"),
            ("redis://secret.host:1", "server 1 of the path of phpredis: the schemes of phpredis"),
            ("tcp://a:1,secret", "server 2 of the path of phpredis: without tcp://"),
            ("tcp://:1?auth=secret", "the host is missing"),
            ("tcp://a:0?auth=secret", "from 1 to 65535"),
            ("tcp://a:+1", "from 1 to 65535"),
            ("tcp://a:secret", "from 1 to 65535"),
            ("tcp://fe80::1", "port"),
            ("tcp://[secret]:1", "IPv6"),
            ("tcp://[::1", "]"),
            ("tcp://[::1]secret", "port"),
            ("tcp://secret\u{e4}:1", "server 1"),
            ("unix://secret/path", "absolute"),
            ("unix:///", "absolute"),
            ("tcp://a?auth=", "empty"),
            ("tcp://a?auth[user]=secret", "without a password"),
            ("tcp://a?auth[]=a&auth[]=b&auth[]=secret", "auth is"),
            ("tcp://a?auth=%ff", "UTF-8"),
            ("tcp://a?timeout=secret", "seconds"),
            ("tcp://a?timeout=0", "greater than 0"),
            ("tcp://a?timeout=nan", "seconds"),
            ("tcp://a?weight=0", "weight"),
            ("tcp://a?database=99999999999999999999", "too large"),
            ("seed[]=a:1&auth=secret", "rediscluster"),
        ] {
            let text = problem(path);
            assert!(text.contains(part), "{path}: {text}");
            assert!(!text.contains("secret"), "{path}: {text}");
        }
        let shown = format!("{:?}", one("tcp://h?auth=secret"));
        assert!(!shown.contains("secret"), "{shown}");
    }
}
