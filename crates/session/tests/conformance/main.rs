//! One conformance suite for every store: each sentence of the seam's documentation is a case here, and each case
//! knows nothing of a store but its [`Store`] trait.
//!
//! A case gets an [`Open`]: a function that opens another handle of one and the same fresh store. To put a store
//! under the suite, add a module with a function `with` and one line below.

#[path = "../memory_store/mod.rs"]
mod memory_store;
#[path = "../redis_server/mod.rs"]
mod redis_server;

mod collecting;
mod expiry;
mod forgetting;
mod grace;
mod incarnations;
mod inventory;
mod locking;
mod migrate_in;
mod model;
mod payloads;
mod steps;
mod succession;
mod versions;

use std::sync::Arc;

use cloakroom_session::Store;

/// A store whose handles threads may share, as all stores here are.
type Shared = dyn Store + Send + Sync;

/// Opens another handle of the store under test.
type Open<'a> = &'a (dyn Fn() -> Arc<Shared> + Sync);

/// Runs every case on the store that `$with` opens, each on a fresh one. What is past its lifetime is removed by
/// collecting, or by the storage itself. The cases of [`inventory`], which are for stores that tools can go through, and of
/// [`forgetting`], which are for stores of a bounded size, are lists of their own.
macro_rules! suite {
    ($store:ident, $with:path, collected) => {
        suite! { $store, $with, {
            collect_counts_what_it_removes,
            small_steps_remove_everything_in_the_end,
        } }
    };
    ($store:ident, $with:path, removed_by_the_storage) => {
        suite! { $store, $with, { nothing_is_left_to_collect, } }
    };
    ($store:ident, $with:path, { $($collecting:ident,)* }) => {
        suite! { @ $store, $with,
            collecting::{ $($collecting,)* }
            expiry::{
                a_commit_gives_a_lifetime,
                a_touch_extends_the_lifetime,
                a_read_does_not_extend_the_lifetime,
                a_reservation_expires,
                an_expired_session_starts_anew,
                a_touch_writes_what_vanished,
            }
            grace::{
                a_retired_session_is_read_and_not_written,
                a_lease_from_before_retirement_writes_nothing,
                a_waiter_from_before_retirement_reads_and_writes_nothing,
                grace_ends_in_time,
                destroying_ends_the_grace,
                after_the_grace_a_fresh_session_begins,
            }
            incarnations::{
                a_lease_from_before_a_destroy_cannot_write,
                a_lease_from_before_a_destroy_cannot_touch,
                a_lease_from_before_a_destroy_cannot_destroy_its_successor,
                a_later_acquire_gets_a_fresh_session,
                a_waiter_from_before_a_destroy_cannot_write,
                a_destroyed_session_stays_destroyed_while_nobody_returns,
            }
            locking::{
                one_lease_at_a_time,
                the_lock_passes_in_order_of_arrival,
                no_update_is_lost,
                waiting_in_vain_names_the_holder,
                too_many_waiters_are_turned_away,
                a_second_acquire_of_the_same_thread_fails_at_once,
                without_a_lock_nobody_waits,
                readers_never_wait,
                every_end_of_a_lease_unlocks,
                different_sessions_do_not_wait_for_each_other,
                namespaces_do_not_wait_for_each_other,
            }
            model::{
                sequences_of_operations_match_a_plain_map,
            }
            payloads::{
                every_size_comes_back_whole,
                every_byte_comes_back,
                sizes_may_change_in_any_order,
                too_large_payloads_are_refused_and_the_old_one_stays,
                readers_see_whole_payloads_only,
            }
            steps::{
                acquire_reserves_what_does_not_exist,
                acquire_reads_what_was_committed,
                a_release_changes_nothing,
                a_dropped_lease_changes_nothing,
                a_touch_keeps_what_is_stored,
                the_last_write_wins_without_a_lock,
                destroying_tells_whether_there_was_a_session,
                keys_are_the_same_for_every_handle,
                namespaces_never_meet,
                status_counts,
                the_location_is_told,
            }
            migrate_in::{
                it_takes_the_place_of_nothing_and_of_a_reservation,
                it_replaces_nothing_that_was_written,
                it_replaces_nothing_that_was_emptied,
                it_revives_nothing,
                it_revives_nothing_that_was_begun_again,
                it_waits_for_no_lease,
                a_request_that_reserved_before_writes_after_it,
                a_session_that_expired_gives_way,
            }
            succession::{
                a_session_that_names_another_lives_and_is_read,
                nobody_writes_a_session_that_names_another,
                naming_unlocks_nothing,
                naming_tells_what_the_session_holds,
                a_session_that_vanished_names_none,
                a_session_that_is_over_names_none,
                who_names_another_successor_says_which_it_replaces,
                a_settled_session_is_retired,
                settling_without_a_grace_ends_a_session,
                a_settled_session_has_its_grace,
                only_what_names_that_successor_is_settled_or_reinstated,
                a_reinstated_session_is_written_again,
                a_lease_tells_which_life_it_has_and_whether_it_is_over,
                looking_tells_whether_a_session_was_written,
                a_reservation_is_written_by_who_has_its_lock,
                a_reservation_is_not_written_without_its_lock,
                a_session_that_names_another_can_be_ended,
                destroying_tells_whether_it_was_the_first,
                who_destroys_an_id_that_was_replaced_was_not_the_first,
                a_mark_of_a_retired_session_writes_nothing,
                nothing_is_brought_in_over_a_session_that_names_another,
            }
            versions::{
                what_was_not_read_is_not_replaced,
                a_lease_whose_version_changed_reads_what_is_there,
                a_lease_whose_version_changed_keeps_its_lock,
                a_touch_does_not_move_a_session,
                a_mark_stands_for_what_was_read,
                a_mark_of_absence_stands_for_absence,
                a_mark_from_before_a_destroy_writes_nothing,
                a_mark_follows_its_own_writes,
                without_a_lock_no_increment_is_lost_over_what_was_read,
            }
        }
    };
    (inventory of $store:ident, $with:path) => {
        suite! { @ $store, $with,
            inventory::{
                a_walk_meets_every_session_once,
                a_walk_can_be_broken_off,
                an_entry_tells_what_the_session_is,
                an_entry_tells_incarnation_and_version,
                looking_reads_what_was_committed,
                looking_leaves_no_trace,
                looking_waits_for_no_lease,
                a_retired_session_is_met_as_one,
                a_restored_session_is_one_like_others,
                restoring_replaces_nothing,
                restoring_revives_nothing,
            }
        }
    };
    (bounded $store:ident, $with:path) => {
        suite! { @ $store, $with,
            forgetting::{ an_end_that_was_forgotten_early_still_stops_a_slower_request, }
        }
    };
    (@ $store:ident, $with:path, $($module:ident :: { $($case:ident,)* })*) => {
        mod $store {
            $(mod $module {
                $(#[test]
                fn $case() {
                    $with(crate::$module::$case);
                })*
            })*
        }
    };
}

/// The store of the tests themselves: shows that the suite can be passed.
mod in_memory {
    use super::{Arc, Open};
    use crate::memory_store::MemoryStore;

    pub(crate) fn with(case: fn(Open<'_>)) {
        let store = MemoryStore::default();
        case(&|| Arc::new(store.clone()));
    }
}

/// The local store, in a directory of its own.
mod in_directory {
    use cloakroom_store::{LocalStore, Options};

    use super::{Arc, Open};

    pub(crate) fn with(case: fn(Open<'_>)) {
        of_size(256 << 20, case);
    }

    /// The smallest store that there is.
    pub(crate) fn with_little_room(case: fn(Open<'_>)) {
        of_size(8 << 20, case);
    }

    fn of_size(size: u64, case: fn(Open<'_>)) {
        let directory = tempfile::tempdir().expect("there is room for temporary files");
        let options = || Options { capacity: Some(size), user: None };
        case(&|| Arc::new(LocalStore::open(directory.path(), options()).unwrap_or_else(|error| panic!("{error}"))));
    }
}

/// The Redis and Valkey store, on a server of its own.
mod on_a_server {
    use cloakroom_redis_store::RedisStore;

    use super::{Arc, Open};
    use crate::redis_server::Server;

    pub(crate) fn with(case: fn(Open<'_>)) {
        let server = Server::start();
        let url = server.url();
        case(&|| Arc::new(RedisStore::open(url.as_bytes()).unwrap_or_else(|error| panic!("{error}"))));
    }
}

suite!(memory, crate::in_memory::with, collected);
suite!(local, crate::in_directory::with, collected);
suite!(redis, crate::on_a_server::with, removed_by_the_storage);

suite!(bounded local_bounded, crate::in_directory::with_little_room);

suite!(inventory of memory_inventory, crate::in_memory::with);
suite!(inventory of local_inventory, crate::in_directory::with);
suite!(inventory of redis_inventory, crate::on_a_server::with);
