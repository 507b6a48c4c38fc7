//! The merge of payloads against a model that merges trees, for any tree without back-references.

use std::collections::HashMap;

use cloakroom_session::merge::{Format, Merged, merge};
use proptest::prelude::*;
use proptest::sample::Index;

#[derive(Debug, Clone, PartialEq)]
enum Value {
    /// What is written whole: a scalar, a string, an object.
    Leaf(String),
    Array(Array),
}

type Array = Vec<(Key, Value)>;

#[derive(Debug, Clone, PartialEq)]
enum Key {
    Number(i64),
    Text(String),
}

fn encode(format: Format, session: &Array) -> Vec<u8> {
    let mut text = String::new();
    match format {
        Format::PhpSerialize => write_array(&mut text, session),
        Format::Php | Format::PhpBinary => {
            for (key, value) in session {
                let name = match key {
                    Key::Number(number) => format!("n{number}"),
                    Key::Text(name) => name.clone(),
                };
                if format == Format::PhpBinary {
                    text.push(char::from(u8::try_from(name.len()).expect("names are short")));
                    text += &name;
                } else {
                    text += &format!("{name}|");
                }
                write_value(&mut text, value);
            }
        }
        Format::Opaque => unreachable!("is not generated"),
    }
    text.into_bytes()
}

fn write_array(text: &mut String, array: &Array) {
    *text += &format!("a:{}:{{", array.len());
    for (key, value) in array {
        match key {
            Key::Number(number) => *text += &format!("i:{number};"),
            Key::Text(key) => *text += &format!("s:{}:\"{key}\";", key.len()),
        }
        write_value(text, value);
    }
    text.push('}');
}

fn write_value(text: &mut String, value: &Value) {
    match value {
        Value::Leaf(leaf) => *text += leaf,
        Value::Array(array) => write_array(text, array),
    }
}

fn find<'a>(array: &'a Array, key: &Key) -> Option<&'a Value> {
    array.iter().find(|(other, _)| other == key).map(|(_, value)| value)
}

fn is_list(array: &Array) -> bool {
    array.iter().zip(0..).all(|((key, _), place)| *key == Key::Number(place))
}

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

/// A variable in which a framework keeps a whole session.
const BAG: &str = "_sf2_attributes";

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

/// What a request does to a session: at a place, one of a few things.
#[derive(Debug, Clone)]
struct Edit {
    /// Which element to go into, level by level.
    way: Vec<Index>,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Put(Key, Value),
    Remove(Index),
    Turn,
    /// Of a list: into it, at a place.
    Insert(Index, Value),
    /// Of a list: out of it, and those behind it move up.
    TakeOut(Index),
}

fn apply(session: &mut Array, edit: &Edit) {
    let mut place = session;
    for step in &edit.way {
        // Arrays are few; a step looks for one among what there is.
        let arrays: Vec<usize> = (0..place.len()).filter(|&at| matches!(place[at].1, Value::Array(_))).collect();
        if arrays.is_empty() {
            break;
        }
        let Value::Array(inner) = &mut place[arrays[step.index(arrays.len())]].1 else { unreachable!("is an array") };
        place = inner;
    }
    match &edit.what {
        What::Put(key, value) => match place.iter_mut().find(|(other, _)| other == key) {
            Some((_, old)) => *old = value.clone(),
            None => place.push((key.clone(), value.clone())),
        },
        What::Remove(_) if place.is_empty() => {}
        What::Remove(which) => {
            place.remove(which.index(place.len()));
        }
        What::Turn => place.reverse(),
        What::Insert(at, value) if is_list(place) => {
            place.insert(at.index(place.len() + 1), (Key::Number(0), value.clone()));
            number(place);
        }
        What::TakeOut(at) if is_list(place) && !place.is_empty() => {
            place.remove(at.index(place.len()));
            number(place);
        }
        What::Insert(..) | What::TakeOut(_) => {}
    }
}

/// Makes an array a list.
fn number(array: &mut Array) {
    for ((key, _), place) in array.iter_mut().zip(0..) {
        *key = Key::Number(place);
    }
}

fn keys() -> impl Strategy<Value = Key> {
    let numbers = prop_oneof![0..4_i64, Just(-1), Just(i64::MIN), Just(i64::MAX)];
    let texts = prop_oneof![
        "[a-d]",
        Just(String::new()),
        Just(BAG.to_owned()),
        "[ -{}~]{0,9}".prop_map(|text| format!("k{text}"))
    ];
    prop_oneof![numbers.prop_map(Key::Number), texts.prop_map(Key::Text)]
}

fn leaves() -> impl Strategy<Value = String> {
    let object = |inner: String| format!("O:3:\"Cls\":2:{{s:1:\"x\";{inner}i:7;a:1:{{i:0;{inner}}}}}");
    let scalar = prop_oneof![
        prop_oneof![Just("N;"), Just("b:1;"), Just("d:NAN;"), Just("d:-0;"), Just("d:1.0E+25;"), Just("d:-INF;")]
            .prop_map(str::to_owned),
        (-2..3_i64).prop_map(|number| format!("i:{number};")),
        "\\PC{0,12}".prop_map(|text| format!("s:{}:\"{text}\";", text.len())),
        Just("E:5:\"A:One\";".to_owned()),
        Just("C:1:\"S\":4:{a:}\"}".to_owned()),
    ];
    prop_oneof![4 => scalar.clone(), 1 => scalar.prop_map(object)]
}

fn arrays(elements: impl Strategy<Value = Value>, most: usize) -> impl Strategy<Value = Array> {
    prop::collection::vec((keys(), elements), 0..most).prop_map(|elements| {
        let mut array = Array::new();
        for (key, value) in elements {
            if find(&array, &key).is_none() {
                array.push((key, value));
            }
        }
        array
    })
}

fn lists(elements: impl Strategy<Value = Value>, most: usize) -> impl Strategy<Value = Array> {
    prop::collection::vec(elements.prop_map(|element| (Key::Number(0), element)), 0..most).prop_map(|mut list| {
        number(&mut list);
        list
    })
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = leaves().prop_map(Value::Leaf).boxed();
    // Long arrays are looked through in other ways than short ones.
    let long = prop_oneof![arrays(leaf.clone(), 40), lists(leaf.clone(), 40)].prop_map(Value::Array);
    let nested = leaf.clone().prop_recursive(3, 20, 5, |inner| {
        prop_oneof![arrays(inner.clone(), 5), lists(inner, 6)].prop_map(Value::Array)
    });
    // Few different elements, so there are equal ones.
    let alike = lists((0..3_i64).prop_map(|number| Value::Leaf(format!("i:{number};"))), 9).prop_map(Value::Array);
    prop_oneof![8 => nested, 1 => long, 3 => alike]
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let what = prop_oneof![
        4 => (keys(), values()).prop_map(|(key, value)| What::Put(key, value)),
        2 => any::<Index>().prop_map(What::Remove),
        1 => Just(What::Turn),
        4 => (any::<Index>(), values()).prop_map(|(at, value)| What::Insert(at, value)),
        2 => any::<Index>().prop_map(What::TakeOut),
    ];
    let edit = (prop::collection::vec(any::<Index>(), 0..4), what).prop_map(|(way, what)| Edit { way, what });
    prop::collection::vec(edit, 1..6)
}

fn formats() -> impl Strategy<Value = Format> {
    prop_oneof![Just(Format::Php), Just(Format::PhpSerialize), Just(Format::PhpBinary)]
}

fn edited(session: &Array, edits: &[Edit]) -> Array {
    let mut session = session.clone();
    edits.iter().for_each(|edit| apply(&mut session, edit));
    session
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn payloads_are_merged_like_trees(
        format in formats(), base in arrays(values(), 8), my_edits in edits(), their_edits in edits()
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
    fn a_merge_is_stable(format in formats(), base in arrays(values(), 8), my_edits in edits(), their_edits in edits()) {
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
        format in formats(), session in arrays(values(), 8), edits in edits(),
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
