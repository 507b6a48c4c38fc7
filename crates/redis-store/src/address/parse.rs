//! From the bytes of a URL to an [`Address`]. A URL crate would not do: to those, a URL has one host.
//!
//! The URL is cut at its separators first, outermost first, and each [`Part`] keeps its position. Percent-decoding
//! comes last: an encoded separator separates nothing.

use std::ffi::OsString;
use std::net::Ipv6Addr;
use std::os::unix::ffi::OsStringExt as _;

use super::error::{AddressError, Problem};
use super::options::Options;
use super::part::{Part, number};
use super::scheme::{Kind, scheme};
use super::secret::Secret;
use super::types::{Address, Endpoint, Servers};

const SERVER_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

impl Address {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`AddressError`] says what is wrong and at which character; it quotes nothing of the URL.
    pub fn parse(url: &[u8]) -> Result<Self, AddressError> {
        read(url)
    }
}

fn read(url: &[u8]) -> Result<Address, AddressError> {
    let whole = printable(url)?;
    let (engine, kind, secure, rest) = scheme(whole)?;
    if let Some((_, fragment)) = rest.cut('#') {
        return Err(fragment.before(Problem::Fragment));
    }
    let (before, query) = rest.cut('?').map_or((rest, None), |(before, query)| (before, Some(query)));
    let (authority, path) = before.cut('/').map_or((before, None), |(authority, path)| (authority, Some(path)));
    let (user_info, hosts) = authority.cut('@').map_or((None, authority), |(info, hosts)| (Some(info), hosts));
    for part in [Some(hosts), path, query].into_iter().flatten() {
        if let Some((_, after)) = part.cut('@') {
            return Err(after.before(Problem::StrayAt));
        }
    }
    let options = Options::read(query)?;

    let (user, literal) = match user_info {
        Some(info) => credentials(info)?,
        None => (None, None),
    };
    let password = options.password(literal, "user:password@", ["password_env", "password_file"])?;
    if let (Some(_), None, Some(info)) = (&user, &password, user_info) {
        return Err(info.error(Problem::UserAlone));
    }
    let tls = options.tls(secure)?;
    let (servers, database) = match kind {
        Kind::Server => {
            let mut endpoints = endpoints(hosts, SERVER_PORT)?;
            match endpoints.pop() {
                Some(endpoint) if endpoints.is_empty() => (Servers::One(endpoint), database(path)?),
                _ => return Err(hosts.error(Problem::SeveralServers)),
            }
        }
        Kind::Socket => {
            if !hosts.text.is_empty() {
                return Err(hosts.error(Problem::SocketPath));
            }
            (Servers::One(socket(path, hosts)?), database(options.part("db"))?)
        }
        Kind::Cluster => {
            let members = endpoints(hosts, SERVER_PORT)?;
            match path {
                Some(path) if database(Some(path)) != Ok(0) => return Err(path.error(Problem::ClusterDatabase)),
                _ => (Servers::Cluster(members), 0),
            }
        }
        Kind::Sentinel => {
            let sentinels = endpoints(hosts, SENTINEL_PORT)?;
            let path = path.ok_or_else(|| hosts.after(Problem::Service))?;
            let (name, number) = path.cut('/').map_or((path, None), |(name, number)| (name, Some(number)));
            let service = name.decode("service")?;
            if service.is_empty() {
                return Err(name.error(Problem::Service));
            }
            let (user, password) = options.sentinel_credentials()?;
            (Servers::Sentinel { sentinels, service, user, password }, database(number)?)
        }
    };
    options.fit(kind)?;
    Ok(Address {
        engine,
        servers,
        tls,
        database,
        user,
        password,
        prefix: options.prefix()?,
        connect_timeout: options.seconds("connect_timeout")?,
        timeout: options.seconds("timeout")?,
    })
}

fn printable(url: &[u8]) -> Result<Part<'_>, AddressError> {
    let wrong = |at| AddressError { problem: Problem::NotEncoded, at: at + 1 };
    if let Some(at) = url.iter().position(|byte| !byte.is_ascii_graphic()) {
        return Err(wrong(at));
    }
    std::str::from_utf8(url).map(|text| Part { text, at: 1 }).map_err(|error| wrong(error.valid_up_to()))
}

/// User and password of `user:password`, either of which may be empty, not both.
fn credentials(info: Part<'_>) -> Result<(Option<String>, Option<Secret>), AddressError> {
    let (user, password) = info.cut(':').map_or((info, None), |(user, password)| (user, Some(password)));
    let name = user.decode("user")?;
    let password = match password {
        // An ACL user may need none; to say so, the colon is there.
        Some(part) if !part.text.is_empty() || !name.is_empty() => Some(Secret::literal(part.decode("password")?)),
        _ => None,
    };
    if name.is_empty() && password.is_none() {
        return Err(info.error(Problem::EmptyUser));
    }
    Ok(((!name.is_empty()).then_some(name), password))
}

fn endpoints(hosts: Part<'_>, default_port: u16) -> Result<Vec<Endpoint>, AddressError> {
    hosts.split(',').map(|host| endpoint(host, default_port)).collect()
}

fn endpoint(part: Part<'_>, default_port: u16) -> Result<Endpoint, AddressError> {
    let (host, port) = match part.text.strip_prefix('[') {
        Some(inside) => {
            let inside = Part { text: inside, at: part.at + 1 };
            let (host, rest) = inside.cut(']').ok_or_else(|| part.error(Problem::Ipv6))?;
            if host.text.parse::<Ipv6Addr>().is_err() {
                return Err(part.error(Problem::Ipv6));
            }
            let port = match rest.cut(':') {
                None if rest.text.is_empty() => None,
                Some((between, port)) if between.text.is_empty() => Some(port),
                _ => return Err(rest.error(Problem::Port)),
            };
            (host.text, port)
        }
        None => {
            let (host, port) = part.cut(':').map_or((part, None), |(host, port)| (host, Some(port)));
            if port.is_some_and(|port| port.text.contains(':')) {
                return Err(part.error(Problem::Host));
            }
            if host.text.is_empty() {
                return Err(host.error(Problem::EmptyHost));
            }
            if !host.text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)) {
                return Err(host.error(Problem::Host));
            }
            (host.text, port)
        }
    };
    let port = match port {
        None => default_port,
        Some(port) => match number(port.text).and_then(|number| u16::try_from(number).ok()) {
            Some(number) if number > 0 => number,
            _ => return Err(port.error(Problem::Port)),
        },
    };
    Ok(Endpoint::Tcp { host: host.to_owned(), port })
}

fn socket(path: Option<Part<'_>>, hosts: Part<'_>) -> Result<Endpoint, AddressError> {
    let path = path.ok_or_else(|| hosts.error(Problem::SocketPath))?;
    // The first slash separated the path from where hosts would be, and belongs to it.
    let mut bytes = vec![b'/'];
    bytes.extend(path.decode_bytes("path of the socket")?);
    if bytes.len() == 1 {
        return Err(path.error(Problem::SocketPath));
    }
    Ok(Endpoint::Unix(OsString::from_vec(bytes).into()))
}

fn database(part: Option<Part<'_>>) -> Result<u32, AddressError> {
    match part {
        Some(part) if !part.text.is_empty() => number(part.text).ok_or_else(|| part.error(Problem::Database)),
        _ => Ok(0),
    }
}
