<?php

/**
 * The PHP side of the extension cloakroom, for editors and static analysers. Sessions themselves need none of it:
 * PHP's own functions work unchanged once session.save_handler is "cloakroom".
 *
 * The directives are cloakroom.size, cloakroom.lock, cloakroom.lock_wait, cloakroom.max_waiters,
 * cloakroom.namespace and cloakroom.tombstone. A script chooses the lock mode of a session with
 * session_start(['cloakroom_lock' => 'exclusive']) or 'none', for the rest of its request.
 */

namespace Cloakroom;

/**
 * Tells what is in the store of the current session.save_path and what was done with it since it was made.
 *
 * Works with and without a session. Creates no store: where there is none, or it cannot be used, the answer is an
 * empty array and an E_WARNING says why.
 *
 * - store: where the store is
 * - lock: the lock mode of the next session of this request, "exclusive" or "none"
 * - sessions: sessions in the store, with reserved ones and with expired ones that are not reclaimed yet
 * - reserved: of these, sessions that were started and hold no data
 * - tombstones: destroyed sessions that are remembered, so that slower requests cannot bring them back
 * - bytes: data of all sessions
 * - file_bytes, free_bytes, capacity: size of the file, room in it, and how far it may grow (cloakroom.size)
 * - reads, writes, touches: sessions read, written, and kept alive without a write
 * - creates, destroys, expired: sessions made, destroyed, and removed after their lifetime
 * - evictions: sessions that never came back, removed because the store was full
 * - recoveries: repairs after the death of a process
 * - refused_writes: writes refused because the session had been destroyed meanwhile
 * - corrupt: payloads that did not match their checksum
 * - waits, wait_timeouts, wait_microseconds: waits for the lock of a session, those in vain, and their time in all
 * - waits_below_100us to waits_from_10s: how many waits took how long
 * - attached: processes that use the store now
 *
 * @return array{}|array{
 *     store: string,
 *     lock: 'exclusive'|'none',
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
 *     attached: int
 * }
 */
function status(): array {}
