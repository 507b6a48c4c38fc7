//! Every word that an address may hold: schemes and options.

/// Every scheme that an address may have, in lower case; upper case is taken too.
pub const SCHEMES: [&str; 14] = [
    "redis",
    "rediss",
    "redis+unix",
    "redis-cluster",
    "redis-clusters",
    "redis-sentinel",
    "redis-sentinels",
    "valkey",
    "valkeys",
    "valkey+unix",
    "valkey-cluster",
    "valkey-clusters",
    "valkey-sentinel",
    "valkey-sentinels",
];

/// Every option that may follow the `?`.
pub(super) const OPTIONS: [&str; 13] = [
    "prefix",
    "timeout",
    "connect_timeout",
    "password_env",
    "password_file",
    "ca",
    "cert",
    "key",
    "db",
    "sentinel_user",
    "sentinel_password",
    "sentinel_password_env",
    "sentinel_password_file",
];
