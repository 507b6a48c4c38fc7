//! What the servers of a store say of themselves, for the doctor, who judges whether sessions are safe on them.

use std::time::{Duration, Instant};

use cloakroom_seam::ServerInfo;

use crate::core::store::Store;
use crate::wire::bound::Bound;
use crate::wire::error::Error;
use crate::wire::request::Request;
use crate::wire::resp::bytes;
use crate::wire::value::Value;

/// Round trips of which the fastest counts.
const PINGS: u32 = 5;

impl Store {
    /// Asks every server that keeps sessions.
    ///
    /// # Errors
    /// Failures of the servers.
    pub fn servers(&self) -> Result<Vec<ServerInfo>, Error> {
        let slots = self.with_link(|link| link.slots(self.dialer()))?;
        slots.into_iter().map(|slot| self.server_info(slot)).collect()
    }

    fn server_info(&self, slot: Option<u16>) -> Result<ServerInfo, Error> {
        let Value::BulkString(info) = self.ask(Request::command(&[bytes(b"INFO")], slot, Bound::INFO))? else {
            return Err(self.unexpected());
        };
        let mut info = understood(&String::from_utf8_lossy(&info));
        info.round_trip = Duration::MAX;
        for _ in 0..PINGS {
            let began = Instant::now();
            self.ask(Request::command(&[bytes(b"PING")], slot, Bound::SHORT))?;
            info.round_trip = info.round_trip.min(began.elapsed());
        }
        Ok(info)
    }
}

/// What an `INFO` says.
fn understood(info: &str) -> ServerInfo {
    let said = |what: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
        line.unwrap_or_default().trim().to_owned()
    };
    let valkey = said("valkey_version");
    let (name, version) = if valkey.is_empty() { ("redis", said("redis_version")) } else { ("valkey", valkey) };
    ServerInfo {
        name: name.to_owned(),
        version,
        role: said("role"),
        memory_limit: said("maxmemory").parse().unwrap_or(0),
        eviction: said("maxmemory_policy"),
        appends: said("aof_enabled") == "1",
        saving_fails: said("rdb_last_bgsave_status") == "err" || said("aof_last_write_status") == "err",
        round_trip: Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_info_is_understood() {
        let info = "# Server\r\nredis_version:7.2.4\r\nvalkey_version:8.0.1\r\n# Memory\r\nmaxmemory:1048576\r\n\
                    maxmemory_policy:allkeys-lru\r\naof_enabled:1\r\nrdb_last_bgsave_status:err\r\nrole:slave\r\n";
        let info = understood(info);
        assert_eq!((info.name.as_str(), info.version.as_str(), info.role.as_str()), ("valkey", "8.0.1", "slave"));
        assert_eq!((info.memory_limit, info.eviction.as_str()), (1 << 20, "allkeys-lru"));
        assert!(info.appends && info.saving_fails);
        assert_eq!(understood("redis_version:7.0.15\n").name, "redis");
        assert_eq!(understood(""), ServerInfo { name: "redis".to_owned(), ..ServerInfo::default() });
    }
}
