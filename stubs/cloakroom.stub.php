<?php

/**
 * The PHP side of the extension cloakroom, for editors and static analysers. Sessions themselves need none of it:
 * PHP's own functions work unchanged once session.save_handler is "cloakroom". The class SessionHandler is for
 * frameworks, and for code that handles sessions itself.
 *
 * The directives are cloakroom.size, cloakroom.lock, cloakroom.lock_wait, cloakroom.max_waiters,
 * cloakroom.namespace, cloakroom.user, cloakroom.lock_ttl, cloakroom.tombstone and cloakroom.grace, and for moving from another handler
 * cloakroom.migrate_from and cloakroom.migrate_to. A script chooses the lock mode of a session with
 * session_start(['cloakroom_lock' => 'exclusive']), 'merge' or 'none', for the rest of its request.
 */

namespace Cloakroom;

/**
 * Cloakroom's sessions as an object, for code that chooses its handler itself: with session_set_save_handler(), as the
 * parent of a handler of one's own, inside the handler of a framework, or without PHP's session functions. Works whatever
 * session.save_handler is; several objects with different paths may be used side by side.
 *
 * **Between open() and close()**, which PHP calls for a handler that it was given, the object does what
 * session.save_handler = cloakroom does: in the lock mode "exclusive" read() locks the session, and write(),
 * updateTimestamp(), destroy(), close() or the end of the object unlock it.
 *
 * **Without open()** no lock outlives a call. read() gives what was stored last, without waiting. In the mode
 * "exclusive" write() waits for a request that holds the session, and then replaces only what this object has itself
 * read or written last; an id that it never read is written in any case. Where another request was faster, nothing is
 * written, false is returned and an E_WARNING says so. In the modes "merge", which keeps the changes of both, and
 * "none", where the last write wins, nobody waits and nothing is refused; but "merge" refuses as "exclusive" does where the
 * object has read or written eight other sessions since. What was read, written back unchanged, only extends the
 * session's lifetime. A session that another request destroyed since it was read stays destroyed: the write is dropped.
 * It gets no other id either: after destroy() of it, the next write() to an id that the object never read returns false,
 * without a warning. An object remembers what it read until the PHP request ends, or for
 * cloakroom.tombstone seconds; of more than 4096 sessions within that time, read() fails.
 *
 * A method that fails returns false and raises an E_WARNING that says what failed, where, and what to do; what is stored
 * stays as it was. Return types are tentative, as those of PHP's \SessionHandler: a method that overrides one may leave
 * them out if it has the attribute #[\ReturnTypeWillChange]. An object can be neither cloned nor serialized.
 */
class SessionHandler implements \SessionHandlerInterface, \SessionIdInterface, \SessionUpdateTimestampHandlerInterface
{
    /**
     * Opens nothing yet. A subclass need not call it: all arguments then have their defaults.
     *
     * @param string|null $savePath the directory of the store, before any path that is given to open(). Null: the path
     *     given to open(); without open() session.save_path as it is when the object is used first
     * @param 'exclusive'|'merge'|'none'|null $lock how overlapping requests behave. Null: the setting cloakroom.lock, or what
     *     session_start() was given as cloakroom_lock, at each call
     * @param positive-int|null $lifetime seconds that a session lives after it was written last. Null: the setting
     *     session.gc_maxlifetime at each call
     *
     * @throws \ValueError for a path that holds a NUL byte or is too long, another lock mode, a lifetime below 1
     */
    public function __construct(
        #[\SensitiveParameter] ?string $savePath = null,
        ?string $lock = null,
        ?int $lifetime = null,
    ) {}

    /**
     * Opens the store, creating it where there is none. PHP calls it when a session starts.
     *
     * A framework that reads and writes by itself may call open('', '') to get real locks in the mode "exclusive".
     *
     * @param string $path where the constructor was given no path: the directory of the store. An empty one is PHP's
     *     session.save_path, and PHP's directory for temporary files where that is empty, too
     * @param string $name not used
     *
     * @throws \ValueError for a path that holds a NUL byte
     */
    public function open(#[\SensitiveParameter] string $path, string $name): bool {}

    /** Unlocks what is locked. The object can be opened again, or used without being open. */
    public function close(): bool {}

    /**
     * Reads a session; an empty string is one that does not exist. In an open object this locks the session, unless it runs
     * for session_start(['read_and_close' => true]). It fails at once where this process holds the session already,
     * through another object or through PHP's own session.
     */
    public function read(#[\SensitiveParameter] string $id): string|false {}

    /**
     * Stores a session and unlocks it. True as well where the session was destroyed meanwhile, and nothing was written.
     *
     * A session that this object has never read is replaced, whatever is stored. An open object that writes a session twice, or
     * reads or writes up to three others before, takes the lock again, and what it writes is merged with what others wrote in
     * between (in the mode "none" it replaces that).
     */
    public function write(#[\SensitiveParameter] string $id, #[\SensitiveParameter] string $data): bool {}

    /** Ends a session: no request that began before can write it any more. */
    public function destroy(#[\SensitiveParameter] string $id): bool {}

    /**
     * Removes expired sessions and returns how many.
     *
     * @param int $max_lifetime not used: each session has the lifetime with which it was written
     */
    public function gc(int $max_lifetime): int|false {}

    /**
     * Draws an id that no session has, as session.sid_length and session.sid_bits_per_character say.
     *
     * @throws \Error where the operating system gives no random bytes
     */
    public function create_sid(): string {}

    /** Whether there is a session with this id. True as well where that cannot be found out. */
    public function validateId(#[\SensitiveParameter] string $id): bool {}

    /**
     * Extends the lifetime of an unchanged session and unlocks it. One that is not there, and was not destroyed since it
     * was read, is written.
     */
    public function updateTimestamp(#[\SensitiveParameter] string $id, #[\SensitiveParameter] string $data): bool {}
}

/**
 * Tells what is in the store of the current session.save_path and what was done with it since it was made.
 *
 * Works with and without a session. Creates no store: where there is none, or it cannot be used, the answer is an
 * empty array and an E_WARNING says why.
 *
 * - store: where the store is
 * - lock: the lock mode of the next session of this request, "exclusive", "merge" or "none"
 * - sessions: sessions in the store, with reserved ones and with expired ones that are not reclaimed yet
 * - reserved: of these, sessions that were started and hold no data
 * - tombstones: destroyed sessions that are remembered, so that slower requests cannot bring them back
 * - bytes: data of all sessions
 * - file_bytes, free_bytes, capacity: size of the file, room in it, and how far it may grow (cloakroom.size)
 * - reads, writes, touches: sessions read, written, and kept alive without a write
 * - creates, destroys, expired: sessions made, destroyed, and removed after their lifetime
 * - evictions: sessions that came back once at most, removed because the store was full
 * - recoveries: repairs after the death of a process
 * - refused_writes: writes refused because the session had been destroyed meanwhile
 * - merges: writes that kept what another request had written meanwhile, too
 * - merge_conflicts: values in them that both requests had changed
 * - merge_fallbacks: writes that could not be merged and replaced what was there
 * - migrated: sessions migrated from the session handler that was used before
 * - corrupt: payloads that did not match their checksum
 * - waits, wait_timeouts, wait_microseconds: waits for the lock of a session, those in vain, and their time in all
 * - waits_below_100us to waits_from_10s: how many waits took how long
 * - attached: processes (in a thread-safe PHP, threads) that use the store now
 * - locked, waiting: sessions that a request holds the lock of now, and requests that wait for one
 *
 * On Redis and Valkey servers the figures are those that such a store has, and besides rewritten, locks_lost, server_memory,
 * server_memory_limit, evicted_keys, expired_keys and clients, which the servers tell of themselves.
 *
 * @return array{}|array{
 *     store: string,
 *     lock: 'exclusive'|'merge'|'none',
 *     sessions: int,
 *     reserved: int,
 *     tombstones: int,
 *     bytes: int,
 *     file_bytes: int,
 *     free_bytes: int,
 *     capacity: int,
 *     reads: int,
 *     writes: int,
 *     touches: int,
 *     creates: int,
 *     destroys: int,
 *     expired: int,
 *     evictions: int,
 *     recoveries: int,
 *     refused_writes: int,
 *     merges: int,
 *     merge_conflicts: int,
 *     merge_fallbacks: int,
 *     migrated: int,
 *     corrupt: int,
 *     waits: int,
 *     wait_timeouts: int,
 *     wait_microseconds: int,
 *     waits_below_100us: int,
 *     waits_below_1ms: int,
 *     waits_below_10ms: int,
 *     waits_below_100ms: int,
 *     waits_below_1s: int,
 *     waits_below_10s: int,
 *     waits_from_10s: int,
 *     attached: int,
 *     locked: int,
 *     waiting: int
 * }
 */
function status(): array {}

/**
 * The figures of status() in the OpenMetrics text format, for Prometheus and others that read it: gauges, counters, and
 * the waits for locks as the histogram cloakroom_lock_wait_seconds. They are sums over all processes, so it does not matter
 * which one answers. Send it as "application/openmetrics-text; version=1.0.0; charset=utf-8".
 *
 * Where there is no store, or it cannot be used, the answer is an empty string and an E_WARNING says why.
 */
function metrics(): string {}

/**
 * Tells how large and how old the sessions are in the store of the current session.save_path. A store with room for at
 * most 16,384 sessions is gone through as a whole; of a larger one some 1,000 sessions are drawn at random, so that the
 * answer costs some 20 milliseconds at most, and no lock. Expired sessions do not count.
 *
 * Where there is no store, or it cannot be used, the answer is an empty array and an E_WARNING says why; it is empty
 * without a warning where a store of another kind cannot tell.
 *
 * - complete: whether all sessions were looked at, and not only some
 * - sampled: how many were
 * - returned: of these, sessions that were asked for again after the request that began them
 * - largest: bytes of the largest of them
 * - sizes: how many hold so many bytes; the first step has those that hold no data. Each step begins where the one before
 *   ends; null has no end
 * - ages, idle: how many began, and were last written or kept alive, so many seconds ago
 *
 * @return array{}|array{
 *     complete: bool,
 *     sampled: int,
 *     returned: int,
 *     largest: int,
 *     sizes: list<array{below: int|null, sessions: int}>,
 *     ages: list<array{below: int|null, sessions: int}>,
 *     idle: list<array{below: int|null, sessions: int}>
 * }
 */
function survey(): array {}

/**
 * Examines what the sessions of this process depend on: PHP's settings, the directory or server that session.save_path
 * names, the store and its figures, the limits of this process. Creates nothing and changes nothing. Run it where PHP
 * serves the site, for the settings, user and limits of the command line are others.
 *
 * - level: "ok"; "warn", it works but could be better, or will not work for ever; "bad", it does not work or is not safe
 * - subject: the setting or thing that was looked at
 * - found: what was found. It holds no id, no data and no password
 * - advice: what to do; empty where nothing is to be done
 *
 * @return list<array{level: 'ok'|'warn'|'bad', subject: string, found: string, advice: string}>
 */
function doctor(): array {}
