//! What an address is once it is read.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::secret::Secret;

/// What the names of all keys begin with, unless `prefix` says otherwise.
pub const DEFAULT_PREFIX: &str = "cloakroom:";
/// What connecting, and what each command, may take, unless `connect_timeout` and `timeout` say otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest name that a host can have.
const LONGEST_HOST: usize = 253;

/// How to reach a store and how to introduce oneself there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The name that the URL was written with.
    pub engine: Engine,
    /// The servers to begin with.
    pub servers: Servers,
    /// Present where the scheme asks for TLS, on every connection, Sentinels' included.
    pub tls: Option<Tls>,
    /// The database, 0 in a cluster.
    pub database: u32,
    /// The ACL user; `None` is the server's default user.
    pub user: Option<String>,
    /// The password of the user.
    pub password: Option<Secret>,
    /// What the names of all keys begin with. Holds no braces: those mark what decides about the slot in a cluster.
    pub prefix: String,
    /// What connecting may take, TLS and authentication included.
    pub connect_timeout: Duration,
    /// What each command may take.
    pub timeout: Duration,
}

/// The two names of what is spoken to in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// `redis`
    Redis,
    /// `valkey`
    Valkey,
}

/// The servers that a URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Servers {
    /// One server.
    One(Endpoint),
    /// Some members of a cluster, of which one that answers names the others. Only [`Endpoint::Tcp`].
    Cluster(Vec<Endpoint>),
    /// Sentinels, of which one that answers names the server that is master now.
    Sentinel {
        /// The Sentinels to ask. Only [`Endpoint::Tcp`].
        sentinels: Vec<Endpoint>,
        /// What the Sentinels call the group of servers.
        service: String,
        /// The user known to the Sentinels, where they ask for one.
        user: Option<String>,
        /// The Sentinels' own password, where they ask for one.
        password: Option<Secret>,
    },
}

/// One place to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A host by name or number.
    Tcp {
        /// A name, an IPv4 address or an IPv6 address without brackets.
        host: String,
        /// The port, never 0.
        port: u16,
    },
    /// The absolute path of a Unix socket.
    Unix(PathBuf),
}

/// Files in PEM for TLS, by absolute paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificates of the authorities to trust instead of those that the system trusts.
    pub ca: Option<PathBuf>,
    /// The certificate to show to the server, never without its key.
    pub cert: Option<PathBuf>,
    /// The private key of that certificate.
    pub key: Option<PathBuf>,
}

impl Address {
    /// The address for people: scheme, servers, service and database; no user, no password, no options.
    #[must_use]
    pub fn location(&self) -> String {
        let engine = match self.engine {
            Engine::Redis => "redis",
            Engine::Valkey => "valkey",
        };
        let s = if self.tls.is_some() { "s" } else { "" };
        let database = match self.database {
            0 => String::new(),
            database => format!("/{database}"),
        };
        match &self.servers {
            Servers::One(Endpoint::Unix(path)) => match self.database {
                0 => format!("{engine}+unix://{}", path.display()),
                database => format!("{engine}+unix://{}?db={database}", path.display()),
            },
            Servers::One(server) => format!("{engine}{s}://{server}{database}"),
            Servers::Cluster(members) => format!("{engine}-cluster{s}://{}", listed(members)),
            Servers::Sentinel { sentinels, service, .. } => {
                format!("{engine}-sentinel{s}://{}/{service}{database}", listed(sentinels))
            }
        }
    }
}

impl Endpoint {
    /// The place that a server names; `None` where that cannot be one.
    pub(crate) fn tcp(host: &str, port: u16) -> Option<Self> {
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
        let is_place = (1..=LONGEST_HOST).contains(&host.len()) && host.bytes().all(is_host) && port != 0;
        is_place.then(|| Self::Tcp { host: host.to_owned(), port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Endpoint::Tcp { host, port } => write!(f, "{host}:{port}"),
            Endpoint::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

fn listed(endpoints: &[Endpoint]) -> String {
    endpoints.iter().map(Endpoint::to_string).collect::<Vec<_>>().join(",")
}
