//! Sessions as trees, what requests do to them, and their payloads: for models of what is made of payloads.

use cloakroom_session::merge::Format;
use proptest::prelude::*;
use proptest::sample::Index;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// What is written whole: a scalar, a string, an object.
    Leaf(String),
    Array(Array),
}

pub(crate) type Array = Vec<(Key, Value)>;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Key {
    Number(i64),
    Text(String),
}

pub(crate) fn encode(format: Format, session: &Array) -> Vec<u8> {
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

pub(crate) fn write_array(text: &mut String, array: &Array) {
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

pub(crate) fn write_value(text: &mut String, value: &Value) {
    match value {
        Value::Leaf(leaf) => *text += leaf,
        Value::Array(array) => write_array(text, array),
    }
}

pub(crate) fn find<'a>(array: &'a Array, key: &Key) -> Option<&'a Value> {
    array.iter().find(|(other, _)| other == key).map(|(_, value)| value)
}

pub(crate) fn is_list(array: &Array) -> bool {
    array.iter().zip(0..).all(|((key, _), place)| *key == Key::Number(place))
}

/// A variable in which a framework keeps a whole session.
pub(crate) const BAG: &str = "_sf2_attributes";

/// What a request does to a session: at a place, one of a few things.
#[derive(Debug, Clone)]
pub(crate) struct Edit {
    /// Which element to go into, level by level.
    pub(crate) way: Vec<Index>,
    pub(crate) what: What,
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    Put(Key, Value),
    Remove(Index),
    Turn,
    /// Of a list: into it, at a place.
    Insert(Index, Value),
    /// Of a list: out of it, and those behind it move up.
    TakeOut(Index),
}

pub(crate) fn apply(session: &mut Array, edit: &Edit) {
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
pub(crate) fn number(array: &mut Array) {
    for ((key, _), place) in array.iter_mut().zip(0..) {
        *key = Key::Number(place);
    }
}

pub(crate) fn keys() -> impl Strategy<Value = Key> {
    let numbers = prop_oneof![0..4_i64, Just(-1), Just(i64::MIN), Just(i64::MAX)];
    let texts = prop_oneof![
        "[a-d]",
        Just(String::new()),
        Just(BAG.to_owned()),
        "[ -{}~]{0,9}".prop_map(|text| format!("k{text}"))
    ];
    prop_oneof![numbers.prop_map(Key::Number), texts.prop_map(Key::Text)]
}

pub(crate) fn leaves() -> impl Strategy<Value = String> {
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

pub(crate) fn arrays(elements: impl Strategy<Value = Value>, most: usize) -> impl Strategy<Value = Array> {
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

pub(crate) fn lists(elements: impl Strategy<Value = Value>, most: usize) -> impl Strategy<Value = Array> {
    prop::collection::vec(elements.prop_map(|element| (Key::Number(0), element)), 0..most).prop_map(|mut list| {
        number(&mut list);
        list
    })
}

pub(crate) fn values(leaves: impl Strategy<Value = String> + 'static) -> impl Strategy<Value = Value> {
    let leaf = leaves.prop_map(Value::Leaf).boxed();
    // Long arrays are looked through in other ways than short ones.
    let long = prop_oneof![arrays(leaf.clone(), 40), lists(leaf.clone(), 40)].prop_map(Value::Array);
    let nested = leaf.clone().prop_recursive(3, 20, 5, |inner| {
        prop_oneof![arrays(inner.clone(), 5), lists(inner, 6)].prop_map(Value::Array)
    });
    // Few different elements, so there are equal ones.
    let alike = lists((0..3_i64).prop_map(|number| Value::Leaf(format!("i:{number};"))), 9).prop_map(Value::Array);
    prop_oneof![8 => nested, 1 => long, 3 => alike]
}

pub(crate) fn edits(values: BoxedStrategy<Value>) -> impl Strategy<Value = Vec<Edit>> {
    let what = prop_oneof![
        4 => (keys(), values.clone()).prop_map(|(key, value)| What::Put(key, value)),
        2 => any::<Index>().prop_map(What::Remove),
        1 => Just(What::Turn),
        4 => (any::<Index>(), values).prop_map(|(at, value)| What::Insert(at, value)),
        2 => any::<Index>().prop_map(What::TakeOut),
    ];
    let edit = (prop::collection::vec(any::<Index>(), 0..4), what).prop_map(|(way, what)| Edit { way, what });
    prop::collection::vec(edit, 1..6)
}

pub(crate) fn edited(session: &Array, edits: &[Edit]) -> Array {
    let mut session = session.clone();
    edits.iter().for_each(|edit| apply(&mut session, edit));
    session
}
