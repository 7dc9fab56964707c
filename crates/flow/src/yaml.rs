//! YAML as a tree in which every node knows its line and column.
//!
//! Flows are not read straight into typed structures: those stop at the first fault, and an admin wants all of them.
use crate::Fault;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{Location, Spanned};
use std::fmt;

/// Where something stands: line and column, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub line: u32,
    pub column: u32,
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        Self { line: clamp(location.line()), column: clamp(location.column()) }
    }
}

fn clamp(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// One node with its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub place: Place,
    pub value: Value,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float,
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A mapping's key with its place.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub place: Place,
    pub text: String,
}

impl Node {
    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "yes or no",
            Value::Int(_) | Value::Float => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// Reads one document.
pub(crate) fn read(file: &str, text: &str) -> Result<Node, Fault> {
    // Snippets in error messages would copy what an admin keeps in a file into logs.
    let options = serde_saphyr::options! { with_snippet: false, strict_booleans: true };
    match serde_saphyr::from_str_with_options::<Spanned<Value>>(text, options) {
        Ok(root) => Ok(node(root)),
        Err(error) => {
            let place = error.location().map(Place::from).unwrap_or(Place { line: 1, column: 1 });
            Err(Fault {
                file: file.to_owned(),
                line: place.line,
                column: place.column,
                rule: "syntax",
                message: error.to_string().lines().next().unwrap_or("not YAML").to_owned(),
                remedy: "Correct the YAML here: indentation, quotes, brackets, or a key that stands twice."
                    .to_owned(),
            })
        }
    }
}

fn node(spanned: Spanned<Value>) -> Node {
    Node { place: spanned.referenced.into(), value: spanned.value }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Int(i64::try_from(value).unwrap_or(i64::MAX)))
    }

    fn visit_f64<E>(self, _value: f64) -> Result<Value, E> {
        Ok(Value::Float)
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = seq.next_element::<Spanned<Value>>()? {
            list.push(node(item));
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let value = node(map.next_value::<Spanned<Value>>()?);
            entries.push((Key { place: key.referenced.into(), text: key.value }, value));
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_knows_its_place() {
        let text = "flow: a\non:\n  hangup: { do: [ 1, no ] }\nno: yes\n\"1\": x\n2: y\n";
        let Value::Map(entries) = read("f", text).unwrap().value else { panic!("no mapping") };
        let keys: Vec<(&str, u32, u32)> =
            entries.iter().map(|(key, _)| (key.text.as_str(), key.place.line, key.place.column)).collect();
        assert_eq!(keys, [("flow", 1, 1), ("on", 2, 1), ("no", 4, 1), ("1", 5, 1), ("2", 6, 1)]);
        let Value::Map(inner) = &entries[1].1.value else { panic!("no mapping") };
        assert_eq!(inner[0].1.place, Place { line: 3, column: 11 });
        assert!(matches!(&entries[2].1.value, Value::Text(text) if text == "yes"));
    }

    #[test]
    fn broken_yaml_and_duplicate_keys_have_a_place() {
        let fault = read("f.yaml", "a: 1\nb: [1, 2\nc: 3\n").unwrap_err();
        assert!(fault.line >= 2, "{fault}");
        let fault = read("f.yaml", "a: 1\nb: 2\na: 3\n").unwrap_err();
        assert_eq!((fault.line, fault.column), (3, 1), "{fault}");
        assert!(!fault.message.contains('\n'));
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for n in 1..9 {
            text += &format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(","));
        }
        assert!(read("f", &text).is_err());
    }
}
