//! The state machine of one open handler, driven through every order of calls that PHP makes.

mod memory_store;
mod shared_store;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloakroom_session::id::MAX_ID;
use cloakroom_session::merge::Format;
use cloakroom_session::request::{Finished, RequestError};
use cloakroom_session::seam::Room;
use cloakroom_session::seam::{Committed, End, Mark, Over};
use cloakroom_session::seam::{Restore, Restored};
use cloakroom_session::version_changed::Origin;
use cloakroom_session::{
    Acquire, Effort, IdShape, Key, Lease, LockMode, Namespace, Request, SessionId, Store, StoreError,
};
use memory_store::MemoryStore;
use shared_store::{Shared, any};

const ID: &[u8] = b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const OTHER: &[u8] = b"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const HOUR: Duration = Duration::from_secs(3600);

const EXCLUSIVE: Acquire<'static> = Acquire {
    mode: LockMode::Exclusive,
    wait: Duration::ZERO,
    lock_ttl: Duration::from_secs(10),
    max_waiters: 0,
    lifetime: HOUR,
    script: b"test",
    since: None,
    drawn: false,
};
const UNLOCKED: Acquire<'static> = Acquire { mode: LockMode::None, ..EXCLUSIVE };

/// The answer to a write that meets another version of the session than was read.
fn php() -> Origin<'static> {
    Origin { format: Format::Php, read: None }
}

fn opened() -> (Shared, Request) {
    opened_on(Arc::new(MemoryStore::default()))
}

fn opened_on(store: Shared) -> (Shared, Request) {
    let mut request = Request::new();
    request.open(&any(&store), &Namespace::EMPTY);
    (store, request)
}

fn key(store: &Shared, id: &[u8]) -> Key {
    store.key(&Namespace::EMPTY, &SessionId::parse(id).expect("a valid id"))
}

fn stored(store: &Shared, id: &[u8]) -> Option<Vec<u8>> {
    store.snapshot(&key(store, id)).map(|found| found.0).expect("memory does not fail")
}

fn put(store: &Shared, id: &[u8], payload: &[u8]) {
    let mut lease = store.acquire(&key(store, id), &EXCLUSIVE).expect("free");
    assert_eq!(lease.commit(payload, HOUR, Over::Anything).expect("memory does not fail"), Committed::Stored);
}

/// Reads as PHP does: length, allocation, bytes.
fn read(request: &mut Request, id: &[u8], how: &Acquire<'_>) -> Vec<u8> {
    let mut payload = vec![0; request.begin_read(id, how).expect("free")];
    assert_eq!(request.finish_read(&mut Room::over(&mut payload), false).expect("no failure"), Finished::Whole);
    payload
}

fn snapshot(request: &mut Request, id: &[u8]) -> Vec<u8> {
    let mut payload = vec![0; request.begin_snapshot(id, &EXCLUSIVE).expect("never waits")];
    assert_eq!(request.finish_read(&mut Room::over(&mut payload), false).expect("no failure"), Finished::Whole);
    payload
}

/// Whether another request (here: another thread) gets the lock of `id` at once.
fn is_free(store: &Shared, id: &[u8]) -> bool {
    let (store, key) = (Arc::clone(store), key(store, id));
    let other = std::thread::spawn(move || match store.acquire(&key, &EXCLUSIVE) {
        Ok(mut lease) => {
            lease.release();
            true
        }
        Err(StoreError::LockTimeout { .. }) => false,
        Err(error) => panic!("{error}"),
    });
    other.join().expect("answers")
}

#[test]
fn a_cycle_reads_writes_and_unlocks() {
    let (store, mut request) = opened();
    assert_eq!(read(&mut request, ID, &EXCLUSIVE), b"");
    assert!(!is_free(&store, ID));
    assert_eq!(request.write(ID, b"one", &EXCLUSIVE, php).expect("stored"), Committed::Stored);
    assert!(is_free(&store, ID), "the write unlocks, before the close");
    request.close();

    request.open(&any(&store), &Namespace::EMPTY);
    assert_eq!(read(&mut request, ID, &EXCLUSIVE), b"one");
    assert_eq!(request.touch(ID, b"one", &EXCLUSIVE).expect("stored"), Committed::Stored);
    assert!(is_free(&store, ID));
    request.close();
    assert_eq!(stored(&store, ID).as_deref(), Some(&b"one"[..]));
}

#[test]
fn a_close_without_a_write_unlocks_and_changes_nothing() {
    let (store, mut request) = opened();
    put(&store, ID, b"before");
    assert_eq!(read(&mut request, ID, &EXCLUSIVE), b"before");
    request.close();
    assert!(is_free(&store, ID));
    request.close();
    assert_eq!(stored(&store, ID).as_deref(), Some(&b"before"[..]));
}

#[test]
fn an_interrupted_read_is_never_followed_by_a_write() {
    let (store, mut request) = opened();
    put(&store, ID, b"precious");
    assert_eq!(request.begin_read(ID, &EXCLUSIVE).expect("free"), 8);
    // PHP's allocation jumped away here; at shutdown it writes what it believes the session to be.
    for id in [ID, OTHER] {
        assert!(matches!(request.write(id, b"", &EXCLUSIVE, php), Err(RequestError::ReadIncomplete)));
        assert!(matches!(request.touch(id, b"", &EXCLUSIVE), Err(RequestError::ReadIncomplete)));
    }
    request.close();
    assert!(is_free(&store, ID));
    assert_eq!(stored(&store, ID).as_deref(), Some(&b"precious"[..]));
}

#[test]
fn an_abandoned_session_stays_as_it_was() {
    let (store, mut request) = opened();
    put(&store, ID, b"precious");
    assert_eq!(read(&mut request, ID, &EXCLUSIVE), b"precious");
    request.abandon();
    assert!(is_free(&store, ID));
    assert!(matches!(request.write(ID, b"", &EXCLUSIVE, php), Err(RequestError::ReadIncomplete)));
    assert_eq!(stored(&store, ID).as_deref(), Some(&b"precious"[..]));
    assert_eq!(read(&mut request, ID, &EXCLUSIVE), b"precious");
    request.write(ID, b"next", &EXCLUSIVE, php).expect("a completed read allows writes again");
    assert_eq!(stored(&store, ID).as_deref(), Some(&b"next"[..]));
}

#[test]
fn a_read_that_had_to_wait_too_long_is_never_followed_by_a_write() {
    let store: Shared = Arc::new(MemoryStore::default());
    put(&store, ID, b"precious");
    let mut lock = store.acquire(&key(&store, ID), &EXCLUSIVE).expect("free");
    let blocked = std::thread::scope(|scope| {
        let store = &store;
        scope
            .spawn(move || {
                let (_, mut request) = opened_on(Arc::clone(store));
                let read = request.begin_read(ID, &EXCLUSIVE);
                assert!(matches!(read, Err(RequestError::Store(StoreError::LockTimeout { .. }))));
                matches!(request.write(ID, b"", &EXCLUSIVE, php), Err(RequestError::ReadIncomplete))
            })
            .join()
    });
    lock.release();
    assert!(blocked.expect("answers"));
    assert_eq!(stored(&store, ID).as_deref(), Some(&b"precious"[..]));
}

#[test]
fn a_second_open_and_read_keep_the_lock() {
    let (store, mut request) = opened();
    put(&store, ID, b"before");
    assert_eq!(read(&mut request, ID, &EXCLUSIVE), b"before");
    request.open(&any(&store), &Namespace::EMPTY);
    assert!(!is_free(&store, ID), "session_reset() does not let anybody in");
    assert_eq!(read(&mut request, ID, &EXCLUSIVE), b"before");
    request.write(ID, b"after", &EXCLUSIVE, php).expect("stored");
    assert!(is_free(&store, ID));
    assert_eq!(stored(&store, ID).as_deref(), Some(&b"after"[..]));
}

#[test]
fn without_a_lock_a_second_read_sees_what_others_wrote() {
    let (store, mut request) = opened();
    put(&store, ID, b"before");
    assert_eq!(read(&mut request, ID, &UNLOCKED), b"before");
    put(&store, ID, b"by another request");
    request.open(&any(&store), &Namespace::EMPTY);
    assert_eq!(read(&mut request, ID, &UNLOCKED), b"by another request");
}

#[test]
fn an_open_elsewhere_releases_the_lease() {
    let (store, mut request) = opened();
    read(&mut request, ID, &EXCLUSIVE);
    request.open(&any(&store), &Namespace::parse(b"shop").expect("valid"));
    assert!(is_free(&store, ID));
    assert_eq!(read(&mut request, ID, &EXCLUSIVE), b"");
    request.write(ID, b"of the shop", &EXCLUSIVE, php).expect("stored");
    assert_eq!(stored(&store, ID).as_deref(), Some(&b""[..]), "another namespace, another session");
    let elsewhere: Shared = Arc::new(MemoryStore::default());
    read(&mut request, ID, &EXCLUSIVE);
    request.open(&any(&elsewhere), &Namespace::EMPTY);
    assert!(is_free(&store, ID));
    assert!(!request.may_exist(ID, None));
}

#[test]
fn reading_another_id_releases_the_first() {
    let (store, mut request) = opened();
    read(&mut request, ID, &EXCLUSIVE);
    read(&mut request, OTHER, &EXCLUSIVE);
    assert!(is_free(&store, ID));
    assert!(!is_free(&store, OTHER));
    assert!(request.begin_read(b"not an id", &EXCLUSIVE).is_err());
    assert!(is_free(&store, OTHER), "a failed read holds nothing");
}

#[test]
fn an_id_that_was_not_read_can_be_written() {
    let (store, mut request) = opened();
    request.write(ID, b"unread", &EXCLUSIVE, php).expect("nothing was read that this contradicts");
    assert_eq!(stored(&store, ID).as_deref(), Some(&b"unread"[..]));

    read(&mut request, ID, &EXCLUSIVE);
    request.write(OTHER, b"another", &EXCLUSIVE, php).expect("stored");
    assert!(is_free(&store, ID) && is_free(&store, OTHER));
    assert_eq!(stored(&store, OTHER).as_deref(), Some(&b"another"[..]));
    request.write(OTHER, b"twice", &EXCLUSIVE, php).expect("a second write acquires again");
    assert_eq!(stored(&store, OTHER).as_deref(), Some(&b"twice"[..]));
    request.touch(OTHER, b"", &EXCLUSIVE).expect("stored");
    assert_eq!(stored(&store, OTHER).as_deref(), Some(&b"twice"[..]), "a touch rewrites nothing");
}

#[test]
fn a_write_never_waits_for_one_lock_while_it_holds_another() {
    let (store, mut request) = opened();
    read(&mut request, ID, &EXCLUSIVE);
    std::thread::scope(|scope| {
        let (taken, told) = std::sync::mpsc::channel();
        let (done, finish) = std::sync::mpsc::channel::<()>();
        let store = &store;
        scope.spawn(move || {
            let mut lease = store.acquire(&key(store, OTHER), &EXCLUSIVE).expect("free");
            taken.send(()).expect("heard");
            finish.recv().expect("told to end");
            lease.release();
        });
        told.recv().expect("taken");
        let write = request.write(OTHER, b"x", &EXCLUSIVE, php);
        assert!(matches!(write, Err(RequestError::Store(StoreError::LockTimeout { .. }))));
        assert!(is_free(store, ID));
        done.send(()).expect("heard");
    });
}

#[test]
fn a_destroyed_session_is_gone_for_the_slower_request() {
    for how in [EXCLUSIVE, UNLOCKED] {
        let (store, mut slow) = opened();
        put(&store, ID, b"logged in");
        assert_eq!(read(&mut slow, ID, &how), b"logged in");
        assert!(store.destroy(&key(&store, ID), End::at_once(HOUR)).expect("memory does not fail"));
        assert_eq!(slow.write(ID, b"logged in", &how, php).expect("no failure"), Committed::Ended);
        assert_eq!(stored(&store, ID), None);
    }
}

#[test]
fn destroy_ends_what_is_held_and_what_is_not() {
    let (store, mut request) = opened();
    put(&store, ID, b"x");
    put(&store, OTHER, b"y");
    read(&mut request, ID, &EXCLUSIVE);
    assert!(request.destroy(OTHER, End::at_once(HOUR)).expect("no failure"));
    assert!(!is_free(&store, ID), "the lease of another id stays");
    assert!(request.destroy(ID, End::at_once(HOUR)).expect("no failure"));
    assert_eq!((stored(&store, ID), stored(&store, OTHER)), (None, None));
    assert!(!request.destroy(ID, End::at_once(HOUR)).expect("absence is no failure"));
    assert!(is_free(&store, ID));
    assert!(matches!(request.destroy(b"", End::at_once(HOUR)), Err(RequestError::Id(_))));
}

#[test]
fn a_snapshot_takes_no_lock_and_reserves_what_is_absent() {
    let (store, mut request) = opened();
    put(&store, ID, b"payload");
    let mut lock = store.acquire(&key(&store, ID), &EXCLUSIVE).expect("free");
    assert_eq!(snapshot(&mut request, ID), b"payload");
    lock.release();
    request.close();
    assert!(is_free(&store, ID));

    request.open(&any(&store), &Namespace::EMPTY);
    assert!(!request.may_exist(OTHER, None));
    assert_eq!(snapshot(&mut request, OTHER), b"");
    assert!(request.may_exist(OTHER, None), "strict mode keeps the id from now on");
    assert!(is_free(&store, OTHER));
}

#[test]
fn a_snapshot_of_what_is_held_reads_the_lease_and_keeps_it() {
    let (store, mut request) = opened();
    put(&store, ID, b"payload");
    read(&mut request, ID, &EXCLUSIVE);
    assert_eq!(snapshot(&mut request, ID), b"payload");
    assert!(!is_free(&store, ID));
    assert_eq!(snapshot(&mut request, OTHER), b"");
    assert!(is_free(&store, ID));
}

#[test]
fn only_proven_absence_refuses_an_id() {
    let (store, mut request) = opened();
    assert!(!request.may_exist(ID, None));
    put(&store, ID, b"");
    assert!(request.may_exist(ID, None));
    for impossible in [&b""[..], b"a b", b"a\0b", &[b'a'; 10_000]] {
        assert!(!request.may_exist(impossible, None));
    }
    read(&mut request, OTHER, &EXCLUSIVE);
    assert!(request.may_exist(OTHER, None), "what is held exists");

    let faulty = Arc::new(Faulty::default());
    let (_, mut request) = opened_on(Arc::<Faulty>::clone(&faulty));
    assert!(!request.may_exist(ID, None));
    faulty.unreachable.store(true, Ordering::Relaxed);
    assert!(request.may_exist(ID, None), "who cannot ask does not know");
    request.close();
    assert!(request.may_exist(ID, None));
}

#[test]
fn a_damaged_payload_fails_the_read_and_stays() {
    let faulty = Arc::new(Faulty::default());
    let (store, mut request) = opened_on(Arc::<Faulty>::clone(&faulty));
    put(&store, ID, b"damaged soon");
    faulty.damaged.store(true, Ordering::Relaxed);
    let mut payload = vec![0; request.begin_read(ID, &EXCLUSIVE).expect("free")];
    let finished = request.finish_read(&mut Room::over(&mut payload), false);
    assert!(matches!(finished, Err(RequestError::Store(StoreError::Damaged { .. }))));
    assert!(is_free(&store, ID));
    assert!(matches!(request.write(ID, b"", &EXCLUSIVE, php), Err(RequestError::ReadIncomplete)));
}

#[test]
fn a_payload_that_changes_while_it_is_read_is_read_again() {
    let faulty = Arc::new(Faulty { restless: AtomicU32::new(3), ..Faulty::default() });
    let (store, mut request) = opened_on(Arc::<Faulty>::clone(&faulty));
    put(&store, ID, b"payload");
    let mut length = request.begin_read(ID, &UNLOCKED).expect("no lock");
    let mut tries = 0;
    let payload = loop {
        let mut payload = vec![0; length];
        match request.finish_read(&mut Room::over(&mut payload), false).expect("no failure") {
            Finished::Whole => break payload,
            Finished::Again(longer) => {
                assert!(matches!(request.write(ID, b"", &UNLOCKED, php), Err(RequestError::ReadIncomplete)));
                length = longer;
                tries += 1;
            }
        }
    };
    assert_eq!((payload.as_slice(), tries), (&b"payload"[..], 3));
    request.write(ID, b"after", &UNLOCKED, php).expect("the read completed");
    request.close();

    faulty.restless.store(u32::MAX, Ordering::Relaxed);
    request.open(&any(&store), &Namespace::EMPTY);
    let mut length = request.begin_read(ID, &UNLOCKED).expect("no lock");
    let gave_up = loop {
        match request.finish_read(&mut Room::over(&mut vec![0; length]), false) {
            Ok(Finished::Again(longer)) => length = longer,
            other => break other,
        }
    };
    assert!(matches!(gave_up, Err(RequestError::Store(StoreError::Changed))));
    assert!(matches!(request.write(ID, b"", &UNLOCKED, php), Err(RequestError::ReadIncomplete)));
    assert_eq!(stored(&store, ID).as_deref(), Some(&b"after"[..]));
}

#[test]
fn calls_out_of_order_change_nothing() {
    let mut request = Request::new();
    assert!(matches!(request.begin_read(ID, &EXCLUSIVE), Err(RequestError::NotOpen)));
    request.close();
    assert!(matches!(request.write(ID, b"", &EXCLUSIVE, php), Err(RequestError::NotOpen)));
    assert!(matches!(request.destroy(ID, End::at_once(HOUR)), Err(RequestError::NotOpen)));
    assert!(matches!(request.collect(Effort::All), Err(RequestError::NotOpen)));
    assert!(matches!(request.finish_read(&mut Room::over(&mut []), false), Err(RequestError::OutOfOrder)));

    let (store, mut request) = opened();
    put(&store, ID, b"four");
    request.begin_read(ID, &EXCLUSIVE).expect("free");
    assert!(matches!(request.finish_read(&mut Room::over(&mut [0; 3]), false), Err(RequestError::OutOfOrder)));
    assert!(is_free(&store, ID));
    assert_eq!(stored(&store, ID).as_deref(), Some(&b"four"[..]));
}

#[test]
fn new_ids_are_valid_and_unused() {
    let (store, mut request) = opened();
    let mut buffer = [0; MAX_ID];
    let shape = IdShape::new(26, 5).expect("in bounds");
    let id = request.draw_id(shape, &mut buffer).expect("random bytes").as_bytes().to_vec();
    assert_eq!(id.len(), 26);
    assert!(!request.may_exist(&id, None), "drawing reserves nothing");
    assert_eq!(stored(&store, &id), None);
    assert!(Request::new().draw_id(shape, &mut buffer).is_ok(), "without a store there is nothing to collide with");

    let crowded: Shared = Arc::new(Faulty { everything_exists: true, ..Faulty::default() });
    let (_, mut request) = opened_on(crowded);
    assert!(matches!(request.draw_id(shape, &mut buffer), Err(RequestError::Collision)));
}

#[test]
fn the_store_hears_whether_an_id_was_drawn() {
    let faulty = Arc::new(Faulty::default());
    let (_, mut request) = opened_on(Arc::<Faulty>::clone(&faulty));
    let told = || std::mem::take(&mut *faulty.drawn.lock().expect("no panic"));
    let mut buffer = [0; MAX_ID];
    let id = request.draw_id(IdShape::default(), &mut buffer).expect("random bytes").as_bytes().to_vec();
    request.begin_read(ID, &EXCLUSIVE).expect("free");
    request.begin_read(&id, &EXCLUSIVE).expect("free");
    assert_eq!(told(), [false, true]);
    // Whoever has heard of it since may use it too.
    request.close();
    request.open(&any(&(Arc::<Faulty>::clone(&faulty) as Shared)), &Namespace::EMPTY);
    request.begin_read(&id, &EXCLUSIVE).expect("free");
    assert_eq!(told(), [false]);
}

#[test]
fn what_a_remote_store_has_to_say_is_told_in_the_same_request() {
    for is_remote in [true, false] {
        let faulty = Arc::new(Faulty { is_remote, ..Faulty::default() });
        let (_, mut request) = opened_on(Arc::<Faulty>::clone(&faulty));
        request.begin_read(ID, &EXCLUSIVE).expect("free");
        *faulty.notice.lock().expect("no panic") = Some("the lock needs renewal".to_owned());
        request.finish_read(&mut Room::over(&mut []), false).expect("nothing to read");
        request.write(ID, b"payload", &EXCLUSIVE, php).expect("there is room");
        let told = request.take_notice().map(|notice| notice.to_string());
        assert_eq!(told.as_deref(), is_remote.then_some("the lock needs renewal"));
        assert!(request.take_notice().is_none(), "once");
    }
}

#[test]
fn the_key_follows_the_id() {
    let (store, mut request) = opened();
    put(&store, b"aaaa", b"short");
    put(&store, b"aaaab", b"long");
    for _ in 0..2 {
        assert_eq!(read(&mut request, b"aaaa", &EXCLUSIVE), b"short");
        assert_eq!(read(&mut request, b"aaaab", &EXCLUSIVE), b"long");
    }
}

#[test]
fn collect_reports_what_the_store_removed() {
    let (store, mut request) = opened();
    put(&store, ID, b"lives");
    assert_eq!(request.collect(Effort::All).expect("no failure"), 0);
    assert!(request.may_exist(ID, None));
}

/// A memory store that fails on demand.
#[derive(Default)]
struct Faulty {
    inner: MemoryStore,
    unreachable: AtomicBool,
    damaged: AtomicBool,
    /// How many reads of a payload find it changed.
    restless: AtomicU32,
    everything_exists: bool,
    is_remote: bool,
    notice: Mutex<Option<String>>,
    /// Of each session that was acquired, whether its id was said to be drawn for it.
    drawn: Mutex<Vec<bool>>,
}

impl Store for Faulty {
    fn key(&self, namespace: &Namespace, id: &SessionId<'_>) -> Key {
        self.inner.key(namespace, id)
    }

    fn acquire(&self, key: &Key, how: &Acquire<'_>) -> Result<Box<dyn Lease>, StoreError> {
        self.drawn.lock().expect("no panic").push(how.drawn);
        let lease = self.inner.acquire(key, how)?;
        let (damaged, restless) = (self.damaged.load(Ordering::Relaxed), self.restless.load(Ordering::Relaxed));
        Ok(if damaged || restless > 0 { Box::new(FaultyLease { lease, damaged, restless }) } else { lease })
    }

    fn is_remote(&self) -> bool {
        self.is_remote
    }

    fn notice(&self) -> Option<String> {
        self.notice.lock().expect("no panic").take()
    }

    fn snapshot(&self, key: &Key) -> Result<(Option<Vec<u8>>, Mark), StoreError> {
        self.inner.snapshot(key)
    }

    fn exists(&self, key: &Key) -> Result<bool, StoreError> {
        if self.unreachable.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("out of reach".to_owned()));
        }
        Ok(self.everything_exists || self.inner.exists(key)?)
    }

    fn destroy(&self, key: &Key, end: End) -> Result<bool, StoreError> {
        self.inner.destroy(key, end)
    }

    fn collect(&self, effort: Effort) -> Result<u64, StoreError> {
        self.inner.collect(effort)
    }

    fn status(&self) -> Result<Vec<(&'static str, u64)>, StoreError> {
        self.inner.status()
    }

    fn location(&self) -> String {
        self.inner.location()
    }

    fn is_vacant(&self, key: &Key) -> Result<bool, StoreError> {
        self.inner.is_vacant(key)
    }

    fn migrate_in(&self, key: &Key, session: &Restored<'_>) -> Result<Restore, StoreError> {
        self.inner.migrate_in(key, session)
    }
}

struct FaultyLease {
    lease: Box<dyn Lease>,
    damaged: bool,
    restless: u32,
}

impl Lease for FaultyLease {
    fn payload_len(&self) -> usize {
        self.lease.payload_len()
    }

    fn read_payload(&mut self, out: &mut Room<'_>) -> Result<(), StoreError> {
        if self.damaged {
            return Err(StoreError::Damaged { location: "memory".to_owned(), what: "a checksum".to_owned() });
        }
        if self.restless > 0 {
            self.restless -= 1;
            return Err(StoreError::Changed);
        }
        self.lease.read_payload(out)
    }

    fn is_new(&self) -> bool {
        self.lease.is_new()
    }

    fn mark(&self) -> Mark {
        self.lease.mark()
    }

    fn commit(&mut self, payload: &[u8], lifetime: Duration, over: Over) -> Result<Committed, StoreError> {
        self.lease.commit(payload, lifetime, over)
    }

    fn touch(&mut self, payload: &[u8], lifetime: Duration) -> Result<Committed, StoreError> {
        self.lease.touch(payload, lifetime)
    }

    fn destroy(&mut self, end: End) -> Result<bool, StoreError> {
        self.lease.destroy(end)
    }

    fn count_merge(&self, conflicts: Option<u32>) {
        self.lease.count_merge(conflicts);
    }

    fn release(&mut self) {
        self.lease.release();
    }
}

#[test]
fn a_touch_of_what_is_not_there_writes_it() {
    let (store, mut request) = opened();
    assert_eq!(request.touch(ID, b"payload", &EXCLUSIVE).expect("free"), Committed::Stored);
    assert_eq!(stored(&store, ID).as_deref(), Some(&b"payload"[..]));
    assert_eq!(request.touch(ID, b"other", &EXCLUSIVE).expect("free"), Committed::Stored);
    assert_eq!(stored(&store, ID).as_deref(), Some(&b"payload"[..]));
}
