//! The keys of one step: each is taken once, what is left over is a fault.
use crate::{
    graph::NodeId,
    parser::{Parser, PromptRef, VarRef, did_you_mean},
    step::block,
    yaml::{Key, Node, Place, Value},
};
use std::{ops::RangeInclusive, time::Duration};

/// Keys and values of a mapping (or of a step and its siblings), consumed one by one.
#[derive(Debug)]
pub(crate) struct Fields {
    /// Name of the step, for messages.
    pub what: String,
    pub place: Place,
    /// The value beside the step's name if it is no mapping: `say: welcome`.
    head: Option<Node>,
    entries: Vec<(Key, Node)>,
    known: Vec<&'static str>,
}

impl Fields {
    /// The keys of a mapping; `None` and a fault if it is none.
    pub fn of(p: &mut Parser<'_>, node: Node, what: &str) -> Option<Self> {
        let place = node.place;
        match node.value {
            Value::Map(entries) => {
                Some(Self { what: what.to_owned(), place, head: None, entries, known: Vec::new() })
            }
            _ => {
                p.wrong_kind(&node, what, "a mapping");
                None
            }
        }
    }

    /// A step `what: value` with the keys beside it; the keys of a mapping as value count as beside it.
    pub fn of_step(what: &str, place: Place, value: Node, beside: Vec<(Key, Node)>) -> Self {
        let (head, mut entries) = match value.value {
            Value::Map(entries) => (None, entries),
            Value::Null => (None, Vec::new()),
            _ => (Some(value), Vec::new()),
        };
        entries.extend(beside);
        Self { what: what.to_owned(), place, head, entries, known: Vec::new() }
    }

    /// The value beside the step's name, or the key that may stand for it.
    pub fn head(&mut self, name: &'static str) -> Option<Node> {
        self.head.take().or_else(|| self.take(name))
    }

    /// Takes a key.
    pub fn take(&mut self, name: &'static str) -> Option<Node> {
        self.known.push(name);
        let at = self.entries.iter().position(|(key, _)| key.text == name)?;
        Some(self.entries.remove(at).1)
    }

    /// Takes a key that must be there.
    pub fn need(&mut self, p: &mut Parser<'_>, name: &'static str) -> Option<Node> {
        let found = self.take(name);
        if found.is_none() {
            self.missing(p, name);
        }
        found
    }

    /// Reports that a key is missing.
    pub fn missing(&self, p: &mut Parser<'_>, name: &str) {
        let message = format!("`{}` lacks `{name}`", self.what);
        p.fault(self.place, "syntax", message, format!("Add `{name}`."));
    }

    /// The keys that are left, whatever their names.
    pub fn rest(&mut self) -> Vec<(Key, Node)> {
        std::mem::take(&mut self.entries)
    }

    /// A text, if the key is there.
    pub fn text(&mut self, p: &mut Parser<'_>, name: &'static str) -> Option<String> {
        let node = self.take(name)?;
        p.text(&node, name)
    }

    /// A prompt, if the key is there.
    pub fn prompt(&mut self, p: &mut Parser<'_>, name: &'static str) -> Option<PromptRef> {
        let node = self.take(name)?;
        p.prompt(&node, name)
    }

    /// A prompt that must be there.
    pub fn need_prompt(&mut self, p: &mut Parser<'_>, name: &'static str) -> Option<PromptRef> {
        let node = self.need(p, name)?;
        p.prompt(&node, name)
    }

    /// A prompt, or the one that is usual.
    pub fn prompt_or(&mut self, p: &mut Parser<'_>, name: &'static str, usual: &str) -> PromptRef {
        self.prompt(p, name).unwrap_or(PromptRef { id: usual.into(), place: self.place })
    }

    /// A variable that must be there.
    pub fn variable(&mut self, p: &mut Parser<'_>, name: &'static str) -> Option<VarRef> {
        let node = self.need(p, name)?;
        p.variable(&node, name, false)
    }

    /// The name of a variable to set (written without `$`).
    pub fn into(&mut self, p: &mut Parser<'_>, usual: &str) -> String {
        let Some(node) = self.take("into") else { return usual.to_owned() };
        let name = p.text(&node, "into").unwrap_or_else(|| usual.to_owned());
        if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
            let message = format!("`{name}` cannot be the name of a variable");
            p.fault(node.place, "syntax", message, "Use small letters, digits and `_`, without `$`.");
        }
        name
    }

    /// A whole number within a range.
    pub fn number(
        &mut self,
        p: &mut Parser<'_>,
        name: &'static str,
        range: RangeInclusive<u8>,
        usual: u8,
    ) -> u8 {
        let Some(node) = self.take(name) else { return usual };
        match node.value {
            Value::Int(number) => match u8::try_from(number).ok().filter(|number| range.contains(number)) {
                Some(number) => return number,
                None => {
                    let message = format!("`{name}: {number}` is out of range");
                    let remedy = format!("Write a number from {} to {}.", range.start(), range.end());
                    p.fault(node.place, "syntax", message, remedy);
                }
            },
            _ => p.wrong_kind(&node, name, "a whole number"),
        }
        usual
    }

    /// Yes or no.
    pub fn flag(&mut self, p: &mut Parser<'_>, name: &'static str, usual: bool) -> bool {
        let Some(node) = self.take(name) else { return usual };
        match node.value {
            Value::Bool(flag) => flag,
            _ => {
                p.wrong_kind(&node, name, "true or false");
                usual
            }
        }
    }

    /// A duration such as `500ms`, `8s`, `15m`.
    pub fn duration(&mut self, p: &mut Parser<'_>, name: &'static str, usual: Duration) -> Duration {
        let Some(node) = self.take(name) else { return usual };
        let read = match &node.value {
            Value::Text(text) => read_duration(text),
            _ => None,
        };
        match read {
            Some(duration) => duration,
            None => {
                p.wrong_kind(&node, name, "a duration of at most 24 hours, such as `500ms`, `8s`, `15m`");
                usual
            }
        }
    }

    /// One key of the keypad.
    pub fn key(&mut self, p: &mut Parser<'_>, name: &'static str, usual: char) -> char {
        let Some(node) = self.take(name) else { return usual };
        let Some(text) = p.text(&node, name) else { return usual };
        read_key(p, node.place, &text).unwrap_or(usual)
    }

    /// Where an exit of this step leads, if it is wired.
    pub fn exit(&mut self, p: &mut Parser<'_>, name: &'static str, owner: NodeId) -> Option<NodeId> {
        let node = self.take(name)?;
        block::exit(p, node, name, owner)
    }

    /// Where an exit leads that must be wired.
    pub fn need_exit(&mut self, p: &mut Parser<'_>, name: &'static str, owner: NodeId) -> Option<NodeId> {
        if let Some(node) = self.take(name) {
            return block::exit(p, node, name, owner);
        }
        self.unwired(p, name, "exits");
        None
    }

    /// Where `no_input` or `no_match` leads: an exit of the step, else the flow's.
    pub fn silence_exit(&mut self, p: &mut Parser<'_>, name: &'static str, owner: NodeId) -> Option<NodeId> {
        if let Some(node) = self.take(name) {
            return block::exit(p, node, name, owner);
        }
        let usual = if name == "no_input" { p.no_input } else { p.no_match };
        if usual.is_none() {
            self.unwired(p, name, "exits` of this step or to `on` of the flow");
        }
        usual
    }

    fn unwired(&self, p: &mut Parser<'_>, name: &str, to: &str) {
        let message = format!("exit `{name}` of `{}` leads nowhere", self.what);
        let remedy = format!("Add `{name}: {{ say: …, hangup: … }}` or `{name}: <label>` to `{to}`.");
        p.fault(self.place, "L5", message, remedy.replace("flow``", "flow`"));
    }

    /// The mapping under `exits`, empty if there is none.
    pub fn exits(&mut self, p: &mut Parser<'_>) -> Self {
        let what = self.what.clone();
        match self.take("exits") {
            Some(node) => Self::of(p, node, "exits").map(|exits| Self { what: what.clone(), ..exits }),
            None => None,
        }
        .unwrap_or(Self {
            what,
            place: self.place,
            head: None,
            entries: Vec::new(),
            known: Vec::new(),
        })
    }

    /// Reports every key that nobody took.
    pub fn finish(self, p: &mut Parser<'_>) {
        if let Some(head) = &self.head {
            let message = format!("`{}` takes no value beside its name", self.what);
            p.fault(head.place, "syntax", message, "Write its keys instead.");
        }
        for (key, _) in &self.entries {
            let message = match NOT_YET.iter().find(|(name, _)| *name == key.text) {
                Some((_, why)) => format!("`{}` of `{}` is not supported yet: {why}", key.text, self.what),
                None => format!("`{}` does not know `{}`", self.what, key.text),
            };
            p.fault(key.place, "syntax", message, did_you_mean(&key.text, &self.known));
        }
    }
}

/// Keys of the language that no step obeys yet; they are refused, never passed over in silence.
const NOT_YET: &[(&str, &str)] = &[
    ("remember", "callers have no profile"),
    ("collisions", "several matches are treated as none"),
    ("step_up_if", "there is no risk score"),
    ("speech", "callers are heard by keys only"),
    ("rate", "the caller slows down with `*`"),
    ("voice", "each language has one voice"),
    ("pattern", "use `length`, `min` and `max`"),
    ("any_of", "factors are asked in the order of `offer`"),
    ("all_of", "factors are asked in the order of `offer`"),
    ("lockout", "the store's policy counts failures"),
    ("back_key", "use an option that goes to a label"),
    ("expires", "secrets expire by their operation"),
];

fn read_duration(text: &str) -> Option<Duration> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u32 = text[..at].parse().ok()?;
    let unit = match &text[at..] {
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        "h" => Duration::from_secs(3600),
        _ => return None,
    };
    unit.checked_mul(number).filter(|duration| *duration <= Duration::from_secs(24 * 3600))
}

/// One key of the keypad out of a text.
pub(crate) fn read_key(p: &mut Parser<'_>, place: Place, text: &str) -> Option<char> {
    let mut symbols = text.chars();
    match (symbols.next(), symbols.next()) {
        (Some(key @ ('0'..='9' | '*' | '#')), None) => Some(key),
        _ => {
            let message = format!("`{text}` is not one key");
            p.fault(place, "syntax", message, "Write one of \"0\" to \"9\", \"*\", \"#\" in quotes.");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_a_bound() {
        assert_eq!(read_duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(read_duration("15m"), Some(Duration::from_secs(900)));
        assert_eq!(read_duration("24h"), Some(Duration::from_secs(86_400)));
        for wrong in ["15", "s", "1.5s", "-1s", "25h", "99999999999s", "8 s"] {
            assert_eq!(read_duration(wrong), None, "{wrong}");
        }
    }
}
