//! The merge of payloads against a model that merges trees, for any tree without back-references.

mod trees;
mod users;

use std::collections::HashMap;

use cloakroom_session::UserPath;
use cloakroom_session::merge::{Format, Merged, merge, merge_with_user};
use proptest::prelude::*;
use proptest::sample::Index;
use trees::{Array, BAG, Edit, Key, Value, arrays, edited, edits, encode, find, is_list, leaves, values};
use users::{PATHS, mixes_users};

/// The rules in the documentation of the merge, on trees.
fn model(base: &Array, mine: &Array, theirs: &Array, conflicts: &mut u32) -> Array {
    keyed(base, mine, theirs, Keys::Session, conflicts).expect("variables do not contradict each other")
}

/// What the keys of an array have to do with each other.
#[derive(Clone, Copy, PartialEq)]
enum Keys {
    Session,
    Bag,
    Map,
}

/// Merges by key. `None` where both changed the same element differently, unless keys have nothing to do with each other.
fn keyed(base: &Array, mine: &Array, theirs: &Array, keys: Keys, conflicts: &mut u32) -> Option<Array> {
    let is_bag = keys != Keys::Map;
    let mut merged = Array::new();
    for (key, their) in theirs {
        let was = find(base, key);
        let kept = match find(mine, key) {
            None if was.is_none() => Some(their.clone()),
            None if was == Some(their) => None,
            None if goes_with_removal(was, their) => beside_removed(was, None, Some(their)),
            None if is_bag => {
                *conflicts += 1;
                None
            }
            None => return None,
            Some(my) if was == Some(my) => Some(their.clone()),
            Some(my) if was == Some(their) => Some(my.clone()),
            Some(my) => Some(match (my, their) {
                (Value::Array(my), Value::Array(their)) => {
                    let was = match was {
                        Some(Value::Array(was)) => was.clone(),
                        _ => Array::new(),
                    };
                    let is_bag = keys == Keys::Session && *key == Key::Text(BAG.to_owned());
                    let keys = if is_bag { Keys::Bag } else { Keys::Map };
                    Value::Array(both_changed(&was, my, their, keys, conflicts))
                }
                _ if my == their => my.clone(),
                _ if is_bag => {
                    *conflicts += 1;
                    my.clone()
                }
                _ => return None,
            }),
        };
        merged.extend(kept.map(|kept| (key.clone(), kept)));
    }
    for (key, my) in mine {
        let was = find(base, key);
        if find(theirs, key).is_none() && was != Some(my) {
            if goes_with_removal(was, my) {
                merged.extend(beside_removed(was, Some(my), None).map(|left| (key.clone(), left)));
                continue;
            }
            if was.is_some() && !is_bag {
                return None;
            }
            *conflicts += u32::from(was.is_some());
            merged.push((key.clone(), my.clone()));
        }
    }
    Some(merged)
}

/// Whether a side has only inserted into a list, or only removed from it.
fn goes_with_removal(was: Option<&Value>, now: &Value) -> bool {
    let (Some(Value::Array(was)), Value::Array(now)) = (was, now) else { return false };
    if !is_list(was) || !is_list(now) {
        return false;
    }
    let values = |list: &Array| -> Vec<Value> { list.iter().map(|(_, value)| value.clone()).collect() };
    let way = aligned(&values(was), &values(now));
    way.stays.iter().all(|&stays| stays) || way.inserted.iter().all(Vec::is_empty)
}

/// What is left of a list that one side has changed and the other has removed.
fn beside_removed(was: Option<&Value>, mine: Option<&Value>, theirs: Option<&Value>) -> Option<Value> {
    let [was, mine, theirs] = [was, mine, theirs].map(|value| match value {
        Some(Value::Array(list)) => list.clone(),
        _ => Array::new(),
    });
    Some(listed(&was, &mine, &theirs, &mut 0)).filter(|left| !left.is_empty()).map(Value::Array)
}

/// Merges arrays that both changed.
fn both_changed(base: &Array, mine: &Array, theirs: &Array, keys: Keys, conflicts: &mut u32) -> Array {
    if [base, mine, theirs].into_iter().all(is_list) {
        return listed(base, mine, theirs, conflicts);
    }
    let mut within = 0;
    match keyed(base, mine, theirs, keys, &mut within) {
        Some(merged) => {
            *conflicts += within;
            merged
        }
        None => {
            *conflicts += 1;
            mine.clone()
        }
    }
}

fn listed(base: &Array, mine: &Array, theirs: &Array, conflicts: &mut u32) -> Array {
    let values = |list: &Array| -> Vec<Value> { list.iter().map(|(_, value)| value.clone()).collect() };
    let [base, mine, theirs] = [base, mine, theirs].map(values);
    let mut merged = Vec::new();
    if base.len() == mine.len() && base.len() == theirs.len() {
        for ((was, my), their) in base.iter().zip(&mine).zip(&theirs) {
            *conflicts += u32::from(my != was && their != was && my != their);
            merged.push(if my == was { their.clone() } else { my.clone() });
        }
    } else {
        let (my_way, their_way) = (aligned(&base, &mine), aligned(&base, &theirs));
        for gap in 0..=base.len() {
            merged.extend(their_way.inserted[gap].iter().cloned());
            merged.extend(my_way.inserted[gap].iter().cloned());
            if gap < base.len() && my_way.stays[gap] && their_way.stays[gap] {
                merged.push(base[gap].clone());
            }
        }
    }
    merged.into_iter().zip(0..).map(|(value, place)| (Key::Number(place), value)).collect()
}

/// What a side has done to a list.
struct Way {
    /// For each element of the base.
    stays: Vec<bool>,
    /// Before each element of the base, and behind the last one.
    inserted: Vec<Vec<Value>>,
}

/// The common beginning and end stay, and between the two a longest common subsequence, of several the one that keeps what
/// comes first.
fn aligned(base: &[Value], side: &[Value]) -> Way {
    let mut way = Way { stays: vec![false; base.len()], inserted: vec![Vec::new(); base.len() + 1] };
    let (mut was, mut now) = (0, 0);
    let (mut was_behind, mut now_behind) = (base.len(), side.len());
    while was < was_behind && now < now_behind && base[was] == side[now] {
        way.stays[was] = true;
        (was, now) = (was + 1, now + 1);
    }
    while was < was_behind && now < now_behind && base[was_behind - 1] == side[now_behind - 1] {
        (was_behind, now_behind) = (was_behind - 1, now_behind - 1);
        way.stays[was_behind] = true;
    }
    let mut known = HashMap::new();
    // Behind the last element that stays.
    let mut gap = was;
    while was < was_behind || now < now_behind {
        let (rest, other) = (&base[was..was_behind], &side[now..now_behind]);
        if !rest.is_empty() && !other.is_empty() && rest[0] == other[0] {
            way.stays[was] = true;
            (was, now) = (was + 1, now + 1);
            gap = was;
        } else if !rest.is_empty()
            && (other.is_empty()
                || in_common(&rest[1..], other, &mut known) >= in_common(rest, &other[1..], &mut known))
        {
            was += 1;
        } else {
            way.inserted[gap].push(other[0].clone());
            now += 1;
        }
    }
    way
}

/// The length of the longest common subsequence of the ends of two lists.
fn in_common(base: &[Value], side: &[Value], known: &mut HashMap<(usize, usize), usize>) -> usize {
    let ([one, rest @ ..], [other, behind @ ..]) = (base, side) else { return 0 };
    if let Some(&length) = known.get(&(base.len(), side.len())) {
        return length;
    }
    let length = if one == other {
        in_common(rest, behind, known) + 1
    } else {
        in_common(rest, side, known).max(in_common(base, behind, known))
    };
    known.insert((base.len(), side.len()), length);
    length
}

fn formats() -> impl Strategy<Value = Format> {
    prop_oneof![Just(Format::Php), Just(Format::PhpSerialize), Just(Format::PhpBinary)]
}

fn sessions() -> impl Strategy<Value = Array> {
    arrays(values(leaves()), 8)
}

fn changes() -> impl Strategy<Value = Vec<Edit>> {
    edits(values(leaves()).boxed())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn payloads_are_merged_like_trees(
        format in formats(), base in sessions(), my_edits in changes(), their_edits in changes()
    ) {
        let (mine, theirs) = (edited(&base, &my_edits), edited(&base, &their_edits));
        let encoded = [&base, &mine, &theirs].map(|session| encode(format, session));
        let mut conflicts = 0;
        // Where one side alone changed anything, nothing is merged.
        let merged = match () {
            () if base == theirs => mine,
            () if base == mine => theirs,
            () => model(&base, &mine, &theirs, &mut conflicts),
        };
        let payload = encode(format, &merged);
        prop_assert_eq!(
            merge(format, &encoded[0], &encoded[1], &encoded[2]),
            Merged::Merged { payload, conflicts }
        );
    }

    #[test]
    fn what_two_users_have_is_not_mixed(
        format in formats(), path in 0..PATHS.len(), base in sessions(), my_edits in changes(), their_edits in changes()
    ) {
        let (mine, theirs) = (edited(&base, &my_edits), edited(&base, &their_edits));
        prop_assume!(base != mine && base != theirs && mine != theirs);
        let encoded = [&base, &mine, &theirs].map(|session| encode(format, session));
        let mut conflicts = 0;
        let merged = model(&base, &mine, &theirs, &mut conflicts);
        let expected = if mixes_users(PATHS[path], [&base, &mine, &theirs, &merged]) {
            Merged::Merged { payload: encoded[1].clone(), conflicts: 1 }
        } else {
            Merged::Merged { payload: encode(format, &merged), conflicts }
        };
        let user = UserPath::parse(PATHS[path].as_bytes()).expect("is valid");
        prop_assert_eq!(merge_with_user(format, &user, &encoded[0], &encoded[1], &encoded[2]), expected);
    }

    #[test]
    fn a_merge_is_stable(format in formats(), base in sessions(), my_edits in changes(), their_edits in changes()) {
        let [base, mine, theirs] =
            [base.clone(), edited(&base, &my_edits), edited(&base, &their_edits)].map(|session| encode(format, &session));
        let Merged::Merged { payload, .. } = merge(format, &base, &mine, &theirs) else {
            panic!("nothing here falls back");
        };
        // It is no conflict that both have made the same of it.
        let Merged::Merged { conflicts, .. } = merge(format, &base, &payload, &payload) else {
            panic!("a merged payload does not scan");
        };
        prop_assert_eq!(conflicts, 0);
    }

    #[test]
    fn damaged_payloads_never_panic(
        format in formats(), session in sessions(), edits in changes(),
        damage in prop::collection::vec((any::<Index>(), any::<u8>()), 1..4), cut in any::<Index>()
    ) {
        let base = encode(format, &session);
        let theirs = encode(format, &edited(&session, &edits));
        let mut mine = base.clone();
        for (place, byte) in damage {
            if !mine.is_empty() {
                let at = place.index(mine.len());
                mine[at] = byte;
            }
        }
        let cut = cut.index(mine.len() + 1);
        for mine in [&mine[..], &mine[..cut], &base[..cut]] {
            if let Merged::Merged { payload, .. } = merge(format, &base, mine, &theirs) {
                // It is either what one of them has, or a payload that scans.
                let is_one_of_them = payload == mine || payload == theirs;
                let scans = matches!(merge(format, &base, &payload, &[]), Merged::Merged { .. });
                prop_assert!(is_one_of_them || scans);
            }
        }
    }
}
