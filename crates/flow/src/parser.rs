//! What all parsers of steps share: the faults found so far, the graph built so far, prompts, variables, words.
use crate::{
    Fault,
    graph::{Follow, Graph, NodeId},
    yaml::{Node, Place, Value},
};
use passline_prompt::phrase::PromptId;

/// A prompt and where the flow names it.
#[derive(Clone, Debug)]
pub(crate) struct PromptRef {
    pub id: PromptId,
    pub place: Place,
}

/// `$name` or `$name.field`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VarRef {
    pub name: String,
    pub field: Option<String>,
    pub place: Place,
}

/// Fields of variables that hold a secret.
pub(crate) const SECRET_FIELDS: [&str; 2] = ["password", "code"];

impl VarRef {
    /// Reads `$name` or `$name.field` out of a text.
    pub fn read(text: &str, place: Place) -> Option<Self> {
        let path = text.trim().strip_prefix('$')?;
        let (name, field) = match path.split_once('.') {
            Some((name, field)) => (name, Some(field.to_owned())),
            None => (path, None),
        };
        let plain =
            |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        (plain(name) && field.as_deref().is_none_or(plain)).then(|| Self {
            name: name.to_owned(),
            field,
            place,
        })
    }

    /// True for a field that must not be heard but through `speak_secret`.
    pub fn is_secret(&self) -> bool {
        self.field.as_deref().is_some_and(|field| SECRET_FIELDS.contains(&field))
    }
}

/// One file's parser.
#[derive(Debug)]
pub(crate) struct Parser<'a> {
    file: &'a str,
    pub faults: Vec<Fault>,
    pub graph: Graph,
    /// Where the next node belongs, for [`crate::Output::Step`]: a label, and an exit's name.
    pub section: String,
    /// Exits at flow level that serve every step without its own.
    pub no_input: Option<NodeId>,
    pub no_match: Option<NodeId>,
    /// `limits.tries`.
    pub tries: u8,
    /// Points per factor.
    pub points: Vec<(String, u8)>,
    /// Points per operation.
    pub needs: Vec<(String, u8)>,
}

impl<'a> Parser<'a> {
    pub fn new(file: &'a str) -> Self {
        Self {
            file,
            faults: Vec::new(),
            graph: Graph::default(),
            section: "start".to_owned(),
            no_input: None,
            no_match: None,
            tries: 3,
            points: Vec::new(),
            needs: Vec::new(),
        }
    }

    /// Reports a fault.
    pub fn fault(
        &mut self,
        place: Place,
        rule: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.faults.push(Fault {
            file: self.file.to_owned(),
            line: place.line,
            column: place.column,
            rule,
            message: message.into(),
            remedy: remedy.into(),
        });
    }

    /// Reports that a node is of the wrong kind.
    pub fn wrong_kind(&mut self, node: &Node, what: &str, wanted: &str) {
        let message = format!("`{what}` is {}, but must be {wanted}", node.kind());
        self.fault(node.place, "syntax", message, format!("Write {wanted} here."));
    }

    /// A text.
    pub fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        match &node.value {
            Value::Text(text) if !text.is_empty() => Some(text.clone()),
            _ => {
                self.wrong_kind(node, what, "a text (numbers in quotes)");
                None
            }
        }
    }

    /// A prompt id.
    pub fn prompt(&mut self, node: &Node, what: &str) -> Option<PromptRef> {
        let id = self.text(node, what)?;
        let plain = id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !plain {
            let remedy = "Name a prompt of the text table media/prompts/<language>/prompts.yaml.";
            self.fault(node.place, "syntax", format!("`{id}` is not the name of a prompt"), remedy);
            return None;
        }
        Some(PromptRef { id: PromptId(id), place: node.place })
    }

    /// `$name` or `$name.field`; a secret one only where `secret` allows it.
    pub fn variable(&mut self, node: &Node, what: &str, secret: bool) -> Option<VarRef> {
        let text = self.text(node, what)?;
        let Some(variable) = VarRef::read(&text, node.place) else {
            let message = format!("`{what}: {text}` is not a variable");
            self.fault(node.place, "syntax", message, "Write `$name` or `$name.field`.");
            return None;
        };
        if variable.is_secret() && !secret {
            let message = format!("`{text}` is secret and cannot be used in `{what}`");
            self.fault(node.place, "L4", message, "A secret reaches only `speak_secret`.");
            return None;
        }
        Some(variable)
    }

    /// A text without variables; secrets must not slip into tickets, audit lines and outcomes.
    pub fn plain_text(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = self.text(node, what)?;
        if text.contains('$') {
            let message = format!("`{what}` holds a variable");
            self.fault(node.place, "L4", message, "Write plain words: variables are not filled in here.");
            return None;
        }
        Some(text)
    }

    /// Adds a node that stands alone, after a given one.
    pub fn add(&mut self, step: Box<dyn crate::step::Step>, place: Place, follow: Follow) -> NodeId {
        let id = self.graph.reserve();
        self.graph.fill(id, step, place, self.section.clone(), follow);
        id
    }
}

/// The word of `known` that was probably meant.
pub(crate) fn nearest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let limit = (word.chars().count() / 2).clamp(1, 3);
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance; two rows.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (row, from) in a.chars().enumerate() {
        let mut left = vec![row + 1];
        for (column, to) in b.iter().enumerate() {
            let change = above[column] + usize::from(from != *to);
            left.push(change.min(above[column + 1] + 1).min(left[column] + 1));
        }
        above = left;
    }
    above[b.len()]
}

/// A remedy that names what was probably meant, or all there is.
pub(crate) fn did_you_mean(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(meant) => format!("Did you mean `{meant}`?"),
        None if known.is_empty() => "Remove it.".to_owned(),
        None => format!("Known here: {}.", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_and_a_far_one_is_not() {
        assert_eq!(nearest("promt", ["prompt", "options"]), Some("prompt"));
        assert_eq!(nearest("goot", ["goto", "say"]), Some("goto"));
        assert_eq!(nearest("xyz", ["prompt"]), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn variables_are_read_and_secret_fields_known() {
        let read = |text| VarRef::read(text, Place::default());
        assert!(read("$result.password").unwrap().is_secret());
        assert!(!read("$result.failed").unwrap().is_secret());
        assert_eq!(read("$targets").unwrap().name, "targets");
        assert!(read("targets").is_none() && read("$").is_none() && read("$a.b c").is_none());
    }
}
