//! What is being said and what is said next.
use crate::Output;
use passline_prompt::phrase::{Item, Phrase, PromptId, Rate};
use std::collections::VecDeque;

/// One phrase in one language.
#[derive(Clone, Debug)]
pub(crate) struct Utterance {
    /// `None`: the language of the call.
    pub language: Option<String>,
    pub phrase: Phrase,
    /// Keys stop it.
    pub interrupt: bool,
}

impl Utterance {
    /// In the language of the call, at normal rate, stopped by keys.
    pub fn new(items: Vec<Item>) -> Self {
        Self { language: None, phrase: Phrase { items, rate: Rate::Normal }, interrupt: true }
    }

    /// Keys do not stop it.
    pub fn firm(mut self) -> Self {
        self.interrupt = false;
        self
    }

    /// At another rate.
    pub fn at(mut self, rate: Rate) -> Self {
        self.phrase.rate = rate;
        self
    }

    /// In another language.
    pub fn in_language(mut self, language: &str) -> Self {
        self.language = Some(language.to_owned());
        self
    }
}

/// Prompts one after another.
pub(crate) fn items<'p>(prompts: impl IntoIterator<Item = &'p PromptId>) -> Vec<Item> {
    prompts.into_iter().cloned().map(Item::Prompt).collect()
}

/// The flow's voice: one phrase at a time, each with its number.
#[derive(Debug, Default)]
pub(crate) struct Voice {
    queue: VecDeque<Utterance>,
    current: Option<(u32, bool)>,
    last: u32,
}

impl Voice {
    /// Says these in place of what is being said. Nothing at all counts as said at once (`false`).
    pub fn say(&mut self, what: Vec<Utterance>, language: &str, out: &mut VecDeque<Output>) -> bool {
        self.queue = what.into_iter().filter(|utterance| !utterance.phrase.items.is_empty()).collect();
        self.current = None;
        self.next(language, out)
    }

    fn next(&mut self, language: &str, out: &mut VecDeque<Output>) -> bool {
        let Some(utterance) = self.queue.pop_front() else { return false };
        self.last += 1;
        self.current = Some((self.last, utterance.interrupt));
        out.push_back(Output::Say {
            number: self.last,
            language: utterance.language.unwrap_or_else(|| language.to_owned()),
            log: utterance.phrase.log(),
            phrase: utterance.phrase,
        });
        true
    }

    /// A phrase was said to its end. True if it was the last one; late reports of stopped phrases are not.
    pub fn said(&mut self, number: u32, language: &str, out: &mut VecDeque<Output>) -> bool {
        if self.current.is_none_or(|(current, _)| current != number) {
            return false;
        }
        self.current = None;
        !self.next(language, out)
    }

    /// Stops what is being said and forgets what was to follow.
    pub fn hush(&mut self, out: &mut VecDeque<Output>) {
        self.queue.clear();
        if self.current.take().is_some() {
            out.push_back(Output::Hush);
        }
    }

    /// Forgets everything without a word: nobody listens any more.
    pub fn fall_silent(&mut self) {
        self.queue.clear();
        self.current = None;
    }

    /// True while something is said.
    pub fn speaking(&self) -> bool {
        self.current.is_some()
    }

    /// True while something is said that keys do not stop.
    pub fn firm(&self) -> bool {
        self.current.is_some_and(|(_, interrupt)| !interrupt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utterance(id: &str) -> Utterance {
        Utterance::new(vec![Item::Prompt(id.into())])
    }

    #[test]
    fn phrases_follow_one_another_and_stopped_ones_are_forgotten() {
        let (mut voice, mut out) = (Voice::default(), VecDeque::new());
        assert!(voice.say(vec![utterance("a").in_language("de"), utterance("b")], "en", &mut out));
        assert!(!voice.said(1, "en", &mut out), "b is still to come");
        assert!(voice.speaking());
        voice.hush(&mut out);
        assert!(!voice.said(2, "en", &mut out), "a stopped phrase was not said");
        let kinds: Vec<String> = out
            .iter()
            .map(|output| match output {
                Output::Say { language, log, .. } => format!("{language}:{log}"),
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(kinds, ["de:a", "en:b", "Hush"]);
        assert!(
            !voice.say(vec![Utterance::new(Vec::new())], "en", &mut out),
            "an empty phrase is said at once"
        );
    }
}
