//! What can be wrong with an address. The texts name parts and positions and quote nothing, because any part of a URL
//! that is written wrong may be a piece of a password.

use super::words::{OPTIONS, SCHEMES};

/// What is wrong with an address, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} (character {at} of the address)")]
pub struct AddressError {
    /// What is wrong.
    pub problem: Problem,
    /// The character of the URL, counted from 1, at which the wrong part begins.
    pub at: usize,
}

/// What is wrong with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// No scheme, or one that names no store of this kind.
    #[error("the address does not begin with a known scheme; there are {}", SCHEMES.map(|scheme| format!("{scheme}://")).join(" "))]
    Scheme,
    /// A control character, a space or something beyond ASCII.
    #[error("spaces, control characters and characters beyond ASCII must be percent-encoded")]
    NotEncoded,
    /// A `#`.
    #[error("an address has no fragment; write # as %23")]
    Fragment,
    /// An `@` that cannot be the one between password and servers.
    #[error(
        "there is more than one @, or one after the servers; in user, password and options write @ as %40, / as %2F and ? as %3F"
    )]
    StrayAt,
    /// A `%` without two hexadecimal digits.
    #[error("% must be followed by two hexadecimal digits; write % itself as %25")]
    Escape,
    /// What a part decodes to is not UTF-8.
    #[error("the {0} is not UTF-8 after percent-decoding")]
    NotUtf8(&'static str),
    /// What a part decodes to holds a NUL byte.
    #[error("the {0} holds a NUL byte")]
    Nul(&'static str),
    /// An `@` with nothing before it.
    #[error("user and password before the @ are empty; leave out the @, or write user:password@ or :password@")]
    EmptyUser,
    /// A user without a password.
    #[error(
        "a user is named without a password; write user:password@, or add password_env= or password_file=, \
         or for a password alone write :password@"
    )]
    UserAlone,
    /// No host.
    #[error("the host is empty")]
    EmptyHost,
    /// Characters that no host has.
    #[error("a host has letters, digits, dots, hyphens and underscores only; an IPv6 address stands in brackets")]
    Host,
    /// Not an IPv6 address between brackets.
    #[error("what stands in brackets is not an IPv6 address (without a zone)")]
    Ipv6,
    /// Not a port.
    #[error("the port after the host must be a number from 1 to 65535")]
    Port,
    /// Several servers where there can be one.
    #[error("this scheme takes one server; for several there are redis-cluster:// and redis-sentinel://")]
    SeveralServers,
    /// Not a database.
    #[error("the database must be a number from 0 to 4294967295")]
    Database,
    /// A database in a cluster.
    #[error("a cluster has database 0 only; leave the path out")]
    ClusterDatabase,
    /// No service of the Sentinels.
    #[error("the name of the service that the Sentinels watch is missing: redis-sentinel://host,host/service")]
    Service,
    /// A socket whose path is not absolute.
    #[error("the path of a socket must be absolute: redis+unix:///path/to/socket")]
    SocketPath,
    /// An option without `=`.
    #[error("an option must be written name=value, and options are separated by one &")]
    BareOption,
    /// An option that does not exist.
    #[error("there is no such option; there are {}", OPTIONS.join(", "))]
    UnknownOption,
    /// An option twice.
    #[error("the option {0} is there twice")]
    RepeatedOption(&'static str),
    /// An option without a value.
    #[error("the option {0} is empty")]
    EmptyOption(&'static str),
    /// Not a time.
    #[error("{0} must be seconds from 0.001 to 3600, such as 2 or 0.5")]
    Seconds(&'static str),
    /// The option `db` where the path says the database.
    #[error("the option db is for sockets; write the database after the servers: host/1")]
    DatabaseOption,
    /// Braces in the prefix.
    #[error("the prefix must not hold braces, which decide about the place of a key in a cluster")]
    Braces,
    /// Not the name of an environment variable.
    #[error("{0} must be the name of an environment variable: letters, digits and underscores")]
    Variable(&'static str),
    /// A path that is not absolute.
    #[error("{0} must be an absolute path")]
    RelativePath(&'static str),
    /// A file for TLS without TLS.
    #[error("{0} needs a scheme with TLS: rediss://, redis-clusters:// or redis-sentinels://")]
    WithoutTls(&'static str),
    /// One of `cert` and `key` without the other.
    #[error("cert and key belong together, {0} is missing")]
    HalfCertificate(&'static str),
    /// Two ways of giving one password.
    #[error("there are two passwords, in {0} and in {1}; leave one out")]
    TwoPasswords(&'static str, &'static str),
    /// An option for Sentinels without Sentinels.
    #[error("{0} is for redis-sentinel:// only")]
    WithoutSentinel(&'static str),
    /// A user of the Sentinels without a password.
    #[error("sentinel_user needs sentinel_password, sentinel_password_env or sentinel_password_file")]
    SentinelUserAlone,
}
