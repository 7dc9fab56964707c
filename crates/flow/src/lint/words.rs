//! L7: every prompt exists in every language, every configured name has audio.
use super::Lint;
use crate::{PromptCheck, step::Names, yaml::Place};
use passline_prompt::phrase::PromptId;
use std::collections::BTreeMap;

/// Said by the runner itself, whatever the step.
const OWN: [&str; 3] = ["one_moment", "still_working", "not_confirmed"];

pub(super) fn check(lint: &mut Lint<'_>, prompts: &dyn PromptCheck) {
    let flow = lint.flow;
    let loaded = prompts.languages();
    let place = Place { line: 1, column: 1 };
    for language in flow.languages.iter().filter(|language| !loaded.contains(language)) {
        let message = format!("language `{language}` has no prompts");
        let remedy =
            format!("Add the folder media/prompts/{language}, or take `{language}` out of `languages`.");
        lint.fault(place, "L7", message, remedy);
    }
    let mut wanted: BTreeMap<PromptId, Place> = BTreeMap::new();
    let mut names: BTreeMap<&str, (Place, Names)> = BTreeMap::new();
    for (_, placed) in flow.graph.iter() {
        for prompt in placed.step.prompts() {
            wanted.entry(prompt.id).or_insert(prompt.place);
        }
        for language in placed.step.languages().iter().filter(|language| !flow.languages.contains(language)) {
            let message = format!("`{language}` is offered, but not one of the flow's languages");
            lint.fault(placed.place, "L7", message, "Add it to `languages`, or take it out of the menu.");
        }
        if let Some(name) = placed.step.names() {
            let key = if name == Names::Targets { "targets" } else { "questions" };
            names.entry(key).or_insert((placed.place, name));
        }
    }
    for id in OWN {
        wanted.entry(id.into()).or_insert(place);
    }
    for (place, name) in names.into_values() {
        let ids: Vec<String> = match name {
            Names::Targets => prompts.targets().iter().map(|id| format!("target_{id}")).collect(),
            Names::Questions => prompts.questions().iter().map(|id| format!("question_{id}")).collect(),
        };
        for id in ids {
            wanted.entry(PromptId(id)).or_insert(place);
        }
    }
    for language in flow.languages.iter().filter(|language| loaded.contains(language)) {
        for (id, place) in wanted.iter().filter(|(id, _)| !prompts.has(language, id)) {
            let message = format!("prompt `{}` does not exist in language `{language}`", id.0);
            let remedy = format!(
                "Add it to media/prompts/{language}/prompts.yaml and run `passline prompts render`, or correct the name."
            );
            lint.fault(*place, "L7", message, remedy);
        }
    }
}
