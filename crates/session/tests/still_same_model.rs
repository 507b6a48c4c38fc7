//! What is still the same, against a model that reads both payloads on its own: for any tree, with values that are named
//! again, and in bags.

mod trees;

use std::collections::HashSet;

use cloakroom_session::merge::{Format, is_of, still_same};
use proptest::prelude::*;
use trees::{Array, BAG, Edit, Key, Value, arrays, edited, edits, encode, leaves, values, write_value};

/// What two payloads are made of that name values again.
const POOL: usize = 4;

/// A value that may occur more than once in a session: the first time it is written, then it is named.
#[derive(Debug, Clone)]
enum Shared {
    /// An object with a number, and possibly another shared value.
    Object(u8, Option<Mark>),
    Array(u8, Option<Mark>),
    Number(u8),
}

/// Which one of the pool, and whether a PHP reference is bound to it.
#[derive(Debug, Clone, Copy)]
struct Mark {
    which: usize,
    is_bound: bool,
}

impl Mark {
    /// As a leaf of a tree, which no other is.
    fn leaf(self) -> String {
        format!("\u{1}{}{}", self.which, if self.is_bound { 'R' } else { 'r' })
    }

    fn of_leaf(leaf: &str) -> Option<Self> {
        let mark = leaf.strip_prefix('\u{1}')?;
        Some(Self { which: mark[..1].parse().expect("one digit"), is_bound: &mark[1..] == "R" })
    }
}

/// Puts shared values and back-references where a tree has marks.
struct Writer<'a> {
    pool: &'a [Shared],
    /// The next slot, and those of the values that have been written.
    slot: usize,
    written: [Option<usize>; POOL],
}

impl Writer<'_> {
    fn array(&mut self, array: &Array) -> Array {
        array.iter().map(|(key, value)| (key.clone(), self.value(value))).collect()
    }

    fn value(&mut self, value: &Value) -> Value {
        match value {
            Value::Array(array) => {
                self.slot += 1;
                Value::Array(self.array(array))
            }
            Value::Leaf(leaf) => match Mark::of_leaf(leaf) {
                Some(mark) => self.shared(mark),
                None => {
                    // Those objects hold two scalars, one of them in an array.
                    self.slot += if leaf.starts_with('O') { 4 } else { 1 };
                    value.clone()
                }
            },
        }
    }

    fn shared(&mut self, mark: Mark) -> Value {
        let shared = &self.pool[mark.which];
        let is_object = matches!(shared, Shared::Object(..));
        if let Some(slot) = self.written[mark.which] {
            if is_object && !mark.is_bound {
                self.slot += 1;
                return Value::Leaf(format!("r:{slot};"));
            }
            return Value::Leaf(format!("R:{slot};"));
        }
        self.written[mark.which] = Some(self.slot);
        self.slot += 1;
        let mut number = |number: &u8| {
            self.slot += 1;
            Value::Leaf(format!("i:{number};"))
        };
        match shared {
            Shared::Object(text, inner) => {
                let number = number(text);
                let mut text = format!("O:1:\"P\":{}:{{s:1:\"n\";", 1 + u8::from(inner.is_some()));
                write_value(&mut text, &number);
                if let Some(inner) = inner {
                    text += "s:1:\"s\";";
                    write_value(&mut text, &self.shared(*inner));
                }
                Value::Leaf(text + "}")
            }
            Shared::Array(text, inner) => {
                let mut array = vec![(Key::Number(7), number(text))];
                array.extend(inner.map(|inner| (Key::Number(8), self.shared(inner))));
                Value::Array(array)
            }
            Shared::Number(number) => Value::Leaf(format!("i:{number};")),
        }
    }
}

fn payload(format: Format, session: &Array, pool: &[Shared]) -> Vec<u8> {
    let slot = if format == Format::PhpSerialize { 2 } else { 1 };
    encode(format, &Writer { pool, slot, written: [None; POOL] }.array(session))
}

/// A value as the model reads it.
#[derive(Debug, Clone)]
struct Read {
    key: String,
    path: String,
    /// Its bytes, with the paths of what it names instead of the numbers, and without counts.
    label: String,
    /// The paths of what it names.
    names: Vec<String>,
    /// What it holds, if it is an array.
    elements: Option<Vec<Read>>,
}

/// Reads a payload that is known to be one.
struct Model<'a> {
    rest: &'a str,
    /// The path of each slot from 1.
    slots: Vec<String>,
    has_custom: bool,
    has_references: bool,
}

impl<'a> Model<'a> {
    fn read(format: Format, payload: &'a str) -> (Vec<Read>, Self) {
        let mut model = Self { rest: payload, slots: vec![], has_custom: false, has_references: false };
        let mut variables = Vec::new();
        if format == Format::PhpSerialize && !payload.is_empty() {
            variables = model.value(String::new(), String::new()).elements.expect("an array");
        }
        while !model.rest.is_empty() {
            let name = match format {
                Format::Php => model.until('|'),
                _ => {
                    let length = usize::from(model.rest.as_bytes()[0]);
                    model.rest = &model.rest[1..];
                    model.take(length)
                }
            };
            variables.push(model.value(name.to_owned(), format!("\u{2}{name}")));
        }
        (variables, model)
    }

    fn until(&mut self, end: char) -> &'a str {
        let (text, rest) = self.rest.split_once(end).expect("ends");
        self.rest = rest;
        text
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (text, rest) = self.rest.split_at(length);
        self.rest = rest;
        text
    }

    /// `length:"text"`
    fn quoted(&mut self) -> &'a str {
        let length = self.until(':').parse().expect("a length");
        self.take(1);
        let text = self.take(length);
        self.take(1);
        text
    }

    fn value(&mut self, key: String, path: String) -> Read {
        let letter = self.take(1);
        if letter != "R" {
            self.slots.push(path.clone());
        }
        self.take(1);
        let mut read = Read { key, path, label: letter.to_owned(), names: vec![], elements: None };
        match letter {
            "N" => {}
            "b" | "i" | "d" => read.label += self.until(';'),
            "s" | "E" => {
                read.label += self.quoted();
                self.take(1);
            }
            "R" | "r" => {
                self.has_references = true;
                let slot: usize = self.until(';').parse().expect("a slot");
                let target = self.slots[slot - 1].clone();
                read.label += &format!("->{target};");
                read.names.push(target);
            }
            "C" => {
                self.has_custom = true;
                read.label += self.quoted();
                self.take(1);
                let length: usize = self.until(':').parse().expect("a length");
                read.label += self.take(length + 2);
            }
            "a" | "O" => {
                if letter == "O" {
                    read.label += self.quoted();
                    self.take(1);
                }
                let count: usize = self.until(':').parse().expect("a count");
                self.take(1);
                let elements: Vec<Read> = (0..count).map(|_| self.element(&read.path)).collect();
                self.take(1);
                for element in &elements {
                    read.label += &format!("({}={})", element.key, element.label);
                    read.names.extend(element.names.iter().cloned());
                }
                read.elements = (letter == "a").then_some(elements);
            }
            _ => unreachable!("is not generated"),
        }
        read
    }

    fn element(&mut self, path: &str) -> Read {
        let key = match self.take(2) {
            "i:" => format!("i{}", self.until(';')),
            _ => {
                let text = self.quoted();
                self.take(1);
                format!("s{text}")
            }
        };
        let path = format!("{path}\u{2}{key}");
        self.value(key, path)
    }
}

/// What is kept: the path and the label of each unit, in order, and of each bag of which keys are left out.
fn model(format: Format, old: &[Read], new: &[Read]) -> Vec<(String, String)> {
    let mut kept = Vec::new();
    let mut paths = HashSet::new();
    for variable in old {
        let Some(other) = new.iter().find(|other| other.key == variable.key) else { continue };
        if is_same(variable, other, &paths) {
            paths.insert(variable.path.clone());
            kept.push((variable.path.clone(), variable.label.clone()));
            continue;
        }
        let bag = if format == Format::PhpSerialize { format!("s{BAG}") } else { BAG.to_owned() };
        let (true, Some(keys), Some(others)) = (variable.key == bag, &variable.elements, &other.elements) else {
            continue;
        };
        for key in keys {
            if others.iter().any(|other| other.key == key.key && is_same(key, other, &paths)) {
                paths.insert(key.path.clone());
                kept.push((key.path.clone(), key.label.clone()));
            }
        }
    }
    kept
}

fn is_same(unit: &Read, other: &Read, kept: &HashSet<String>) -> bool {
    let is_within = |path: &str, outer: &str| {
        path.strip_prefix(outer).is_some_and(|inner| inner.is_empty() || inner.starts_with('\u{2}'))
    };
    let is_there = |name: &String| is_within(name, &unit.path) || kept.iter().any(|outer| is_within(name, outer));
    unit.label == other.label && unit.names.iter().all(is_there)
}

fn check(format: Format, old: &[u8], new: &[u8]) -> Result<(), TestCaseError> {
    let result = still_same(format, old, new);
    let text = |payload: &[u8]| String::from_utf8(payload.to_vec()).expect("is generated as text");
    let [old_text, new_text, result_text] = [old, new, &result].map(text);
    prop_assert!(is_of(format, &result));
    if old == new {
        prop_assert_eq!(&result, &old);
        return Ok(());
    }
    let (old_variables, old_model) = Model::read(format, &old_text);
    let (new_variables, new_model) = Model::read(format, &new_text);
    let (found, _) = Model::read(format, &result_text);
    let models = [&old_model, &new_model];
    let is_opaque = models.iter().any(|model| model.has_custom) && models.iter().any(|model| model.has_references);
    let expected = if is_opaque { Vec::new() } else { model(format, &old_variables, &new_variables) };

    // A bag is either wanted whole, or its keys are.
    let wanted: HashSet<&str> = expected.iter().map(|(path, _)| path.as_str()).collect();
    let mut units = Vec::new();
    for variable in &found {
        match &variable.elements {
            Some(keys) if !wanted.contains(variable.path.as_str()) => {
                prop_assert!(!keys.is_empty(), "a bag is left of which no key is");
                units.extend(keys.iter().map(|key| (key.path.clone(), key.label.clone())));
            }
            _ => units.push((variable.path.clone(), variable.label.clone())),
        }
    }
    prop_assert_eq!(&units, &expected);

    // What is shown is in both, whatever the model says.
    for (path, label) in &units {
        for variables in [&old_variables, &new_variables] {
            let keys = variables.iter().flat_map(|variable| variable.elements.iter().flatten());
            let mut all = variables.iter().chain(keys);
            prop_assert!(all.any(|read| read.path == *path && read.label == *label), "{} is not in both", path);
        }
    }
    // And nothing of it goes when it is asked for again.
    for (one, other) in [(&result[..], new), (&result, old), (old, &result), (&result, &result)] {
        prop_assert_eq!(&still_same(format, one, other), &result);
    }
    Ok(())
}

fn marks() -> impl Strategy<Value = Mark> {
    (0..POOL, any::<bool>()).prop_map(|(which, is_bound)| Mark { which, is_bound })
}

fn pools() -> impl Strategy<Value = Vec<Shared>> {
    let inner = || prop::option::weighted(0.3, marks());
    let shared = prop_oneof![
        3 => (0..3_u8, inner()).prop_map(|(number, inner)| Shared::Object(number, inner)),
        1 => (0..3_u8, inner()).prop_map(|(number, inner)| Shared::Array(number, inner)),
        1 => (0..3_u8).prop_map(Shared::Number),
    ];
    prop::collection::vec(shared, POOL)
}

/// Leaves with and without marks; in most sessions no `C:` objects, beside which nothing is compared.
fn marked_leaves(has_custom: bool, has_marks: bool) -> BoxedStrategy<String> {
    let leaves = leaves().prop_map(move |leaf| match has_custom || !leaf.contains("C:1:\"S\"") {
        true => leaf,
        false => "N;".to_owned(),
    });
    match has_marks {
        true => prop_oneof![2 => leaves, 1 => marks().prop_map(Mark::leaf)].boxed(),
        false => leaves.boxed(),
    }
}

/// Sessions of one kind, half of them with a bag, and changes of them.
fn stories() -> impl Strategy<Value = (Array, Vec<Vec<Edit>>)> {
    let kinds = prop_oneof![10 => Just((false, true)), 4 => Just((true, false)), 1 => Just((true, true))];
    kinds.prop_flat_map(|(has_custom, has_marks)| {
        let values = values(marked_leaves(has_custom, has_marks)).boxed();
        let bags = prop::option::of(arrays(values.clone(), 6));
        let sessions =
            (arrays(values.clone(), 6), bags, any::<prop::sample::Index>()).prop_map(|(session, bag, at)| {
                let mut session = session;
                if let Some(bag) = bag {
                    session.retain(|(key, _)| *key != Key::Text(BAG.to_owned()));
                    session.insert(at.index(session.len() + 1), (Key::Text(BAG.to_owned()), Value::Array(bag)));
                }
                session
            });
        (sessions, prop::collection::vec(edits(values), 2))
    })
}

proptest! {
    // Six pairs each, in three formats: 21,600.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1200) })]

    #[test]
    fn what_is_the_same_is_kept_and_nothing_else(
        (session, edits) in stories(), pool in pools(), other_pool in pools(), replaced in prop::array::uniform4(0..4_u8)
    ) {
        // Most of the values that are shared are the same in the other.
        let mut changed = pool.clone();
        for (at, replaced) in replaced.iter().enumerate() {
            if *replaced == 0 {
                changed[at] = other_pool[at].clone();
            }
        }
        let sessions = [session.clone(), edited(&session, &edits[0]), edited(&session, &edits[1])];
        for format in [Format::Php, Format::PhpSerialize, Format::PhpBinary] {
            let pools = [&pool, &pool, &changed];
            let payloads: Vec<_> =
                sessions.iter().zip(pools).map(|(session, pool)| payload(format, session, pool)).collect();
            for (old, new) in [(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)] {
                check(format, &payloads[old], &payloads[new])?;
            }
        }
    }

    #[test]
    fn damaged_payloads_never_panic(
        (session, edits) in stories(), pool in pools(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)
    ) {
        for format in [Format::Php, Format::PhpSerialize, Format::PhpBinary] {
            let whole = payload(format, &session, &pool);
            let other = payload(format, &edited(&session, &edits[0]), &pool);
            let mut damaged = whole.clone();
            for (place, byte) in &damage {
                if !damaged.is_empty() {
                    let at = place.index(damaged.len());
                    damaged[at] = *byte;
                }
            }
            for (old, new) in [(&damaged, &other), (&other, &damaged), (&damaged, &whole), (&whole, &damaged)] {
                let result = still_same(format, old, new);
                prop_assert!(old == new || is_of(format, &result));
                prop_assert_eq!(&still_same(format, &result, new), &result);
            }
        }
    }
}
