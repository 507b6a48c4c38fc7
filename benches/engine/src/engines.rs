//! The three engines behind one seam: take a session's lock, read it, write it, unlock it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use cloakroom_seam::{Acquire, Committed, LockMode, Over, Room};
use cloakroom_store::{Lease, Options, Store};
use heed::types::Bytes;
use heed::{Database, Env, EnvFlags, EnvOpenOptions};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

/// Lifetime of all sessions; longer than any run.
const LIFE: Duration = Duration::from_secs(1 << 30);

/// What is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The store of this project: a lock for each session, a commit that survives the death of the process.
    Cloakroom,
    /// LMDB with WRITEMAP, NOSYNC and MAPASYNC: its fastest mode. One lock for all writers.
    Lmdb,
    /// SQLite with a write-ahead log and synchronous = off. One lock for all writers.
    Sqlite,
}

impl Kind {
    /// All, ours first.
    pub const ALL: [Kind; 3] = [Kind::Cloakroom, Kind::Lmdb, Kind::Sqlite];

    /// The name in tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Cloakroom => "Cloakroom",
            Kind::Lmdb => "LMDB",
            Kind::Sqlite => "SQLite",
        }
    }

    /// Opens the engine in `dir` with room for `bytes` of payload.
    pub fn open(self, dir: &Path, bytes: u64) -> Result<Box<dyn Engine>> {
        Ok(match self {
            Kind::Cloakroom => Box::new(Ours::open(dir, bytes)?),
            Kind::Lmdb => Box::new(Lmdb::open(dir, bytes)?),
            Kind::Sqlite => Box::new(Sqlite::open(dir)?),
        })
    }
}

/// One opened engine.
pub trait Engine {
    /// Stores `payload` under each id, as fast as the engine can.
    fn fill(&mut self, ids: &mut dyn Iterator<Item = String>, payload: &[u8]) -> Result<()>;
    /// Locks the session, reads all of it into `buffer`, adds one to the number in its first eight bytes, writes all of
    /// it, unlocks.
    fn cycle(&mut self, id: &str, buffer: &mut Vec<u8>) -> Result<()>;
    /// Reads the session into `buffer`.
    fn read(&mut self, id: &str, buffer: &mut Vec<u8>) -> Result<()>;
}

/// The number in a payload's first eight bytes.
pub fn counter(payload: &[u8]) -> u64 {
    payload.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn count_up(payload: &mut [u8]) {
    let next = counter(payload) + 1;
    if let Some(bytes) = payload.first_chunk_mut() {
        *bytes = next.to_le_bytes();
    }
}

struct Ours {
    store: Arc<Store>,
    // Kept from one cycle to the next, as the extension keeps it.
    lease: Option<Lease>,
}

impl Ours {
    fn open(dir: &Path, bytes: u64) -> Result<Ours> {
        // At least the default of cloakroom.size, which decides on the number of shards.
        let capacity = Some((bytes * 3 / 2 + (64 << 20)).max(1 << 30));
        Ok(Ours { store: Store::attach(dir, Options { capacity, user: None })?, lease: None })
    }

    fn acquire(&mut self, id: &str) -> Result<&mut Lease> {
        let how = Acquire {
            mode: LockMode::Exclusive,
            wait: Duration::from_secs(10),
            lock_ttl: Duration::ZERO,
            max_waiters: 0,
            lifetime: LIFE,
            script: b"/srv/www/index.php",
            since: None,
            drawn: false,
        };
        let key = self.store.key(b"", id.as_bytes());
        match &mut self.lease {
            Some(lease) => self.store.acquire_again(lease, &key, &how)?,
            empty => *empty = Some(self.store.acquire(&key, &how)?),
        }
        self.lease.as_mut().context("a lease was just acquired")
    }
}

impl Engine for Ours {
    fn fill(&mut self, ids: &mut dyn Iterator<Item = String>, payload: &[u8]) -> Result<()> {
        for id in ids {
            let stored = self.acquire(&id)?.commit(payload, LIFE, Over::Anything)?;
            ensure!(stored == Committed::Stored, "a session was not stored: {stored:?}");
        }
        Ok(())
    }

    fn cycle(&mut self, id: &str, buffer: &mut Vec<u8>) -> Result<()> {
        let lease = self.acquire(id)?;
        buffer.resize(lease.len(), 0);
        lease.read(&mut Room::over(buffer))?;
        count_up(buffer);
        let stored = lease.commit(buffer, LIFE, Over::Anything)?;
        ensure!(stored == Committed::Stored, "a session was not stored: {stored:?}");
        Ok(())
    }

    fn read(&mut self, id: &str, buffer: &mut Vec<u8>) -> Result<()> {
        let (found, _) = self.store.snapshot(&self.store.key(b"", id.as_bytes()))?;
        *buffer = found.context("a session is gone")?;
        Ok(())
    }
}

struct Lmdb {
    env: Env,
    table: Database<Bytes, Bytes>,
}

impl Lmdb {
    fn open(dir: &Path, bytes: u64) -> Result<Lmdb> {
        let mut options = EnvOpenOptions::new();
        options.map_size((bytes * 3 + (256 << 20)).next_multiple_of(4096) as usize);
        // SAFETY: the directory is this run's own, and nobody truncates the file. With these flags a crash of the
        // machine may destroy the database, which this benchmark does not keep.
        let env = unsafe {
            options.flags(EnvFlags::WRITE_MAP | EnvFlags::NO_SYNC | EnvFlags::NO_META_SYNC | EnvFlags::MAP_ASYNC);
            options.open(dir)?
        };
        let mut txn = env.write_txn()?;
        let table = env.create_database(&mut txn, None)?;
        txn.commit()?;
        Ok(Lmdb { env, table })
    }
}

impl Engine for Lmdb {
    fn fill(&mut self, ids: &mut dyn Iterator<Item = String>, payload: &[u8]) -> Result<()> {
        let mut txn = self.env.write_txn()?;
        for id in ids {
            self.table.put(&mut txn, id.as_bytes(), payload)?;
        }
        Ok(txn.commit()?)
    }

    fn cycle(&mut self, id: &str, buffer: &mut Vec<u8>) -> Result<()> {
        let mut txn = self.env.write_txn()?;
        let found = self.table.get(&txn, id.as_bytes())?.context("a session is gone")?;
        buffer.clear();
        buffer.extend_from_slice(found);
        count_up(buffer);
        self.table.put(&mut txn, id.as_bytes(), buffer)?;
        Ok(txn.commit()?)
    }

    fn read(&mut self, id: &str, buffer: &mut Vec<u8>) -> Result<()> {
        let txn = self.env.read_txn()?;
        buffer.clear();
        buffer.extend_from_slice(self.table.get(&txn, id.as_bytes())?.context("a session is gone")?);
        Ok(())
    }
}

struct Sqlite(Connection);

impl Sqlite {
    fn open(dir: &Path) -> Result<Sqlite> {
        let connection = Connection::open(dir.join("sessions.sqlite"))?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "OFF")?;
        connection.pragma_update(None, "mmap_size", 8i64 << 30)?;
        connection.pragma_update(None, "cache_size", -65536)?;
        connection.execute(
            "CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, payload BLOB NOT NULL) WITHOUT ROWID",
            [],
        )?;
        Ok(Sqlite(connection))
    }
}

fn select(connection: &Connection, id: &str, buffer: &mut Vec<u8>) -> Result<()> {
    let mut statement = connection.prepare_cached("SELECT payload FROM sessions WHERE id = ?1")?;
    let found = statement.query_row(params![id], |row| {
        buffer.clear();
        buffer.extend_from_slice(row.get_ref(0)?.as_blob()?);
        Ok(())
    });
    found.optional()?.context("a session is gone")
}

impl Engine for Sqlite {
    fn fill(&mut self, ids: &mut dyn Iterator<Item = String>, payload: &[u8]) -> Result<()> {
        let txn = self.0.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut statement = txn.prepare_cached("INSERT OR REPLACE INTO sessions VALUES (?1, ?2)")?;
            for id in ids {
                statement.execute(params![id, payload])?;
            }
        }
        Ok(txn.commit()?)
    }

    fn cycle(&mut self, id: &str, buffer: &mut Vec<u8>) -> Result<()> {
        let txn = self.0.transaction_with_behavior(TransactionBehavior::Immediate)?;
        select(&txn, id, buffer)?;
        count_up(buffer);
        txn.prepare_cached("UPDATE sessions SET payload = ?2 WHERE id = ?1")?.execute(params![id, &buffer[..]])?;
        Ok(txn.commit()?)
    }

    fn read(&mut self, id: &str, buffer: &mut Vec<u8>) -> Result<()> {
        select(&self.0, id, buffer)
    }
}
