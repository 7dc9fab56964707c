//! `operation: reset`: one new password on the chosen systems.
use super::{
    Exit, Gain, Kind, Need, Step,
    collect::{leave, with_silence},
};
use crate::{
    fields::Fields,
    graph::NodeId,
    parser::{Parser, PromptRef, VarRef},
    run::{Context, Event, Next, Running, Variable, unexpected},
    yaml::Node,
};
use passline_identity::{Answer, Fault, PasswordStyle, Query, ResetOutcome, TargetId};
use std::time::Duration;

/// The order for a new password.
#[derive(Clone, Debug)]
struct Reset {
    targets: Option<VarRef>,
    style: PasswordStyle,
    expires: Duration,
    must_change: bool,
    needs: u8,
    hold: PromptRef,
    into: String,
    partial: Option<NodeId>,
    failed: Option<NodeId>,
    unknown: Option<NodeId>,
}

pub(super) fn parse(fields: &mut Fields, p: &mut Parser<'_>, id: NodeId) -> Option<Box<dyn Step>> {
    let targets = targets(fields, p, "all");
    let (mut style, mut expires, mut must_change) = (PasswordStyle::Words, Duration::from_secs(1800), true);
    if let Some(mut generate) = fields.take("generate").and_then(|node| Fields::of(p, node, "generate")) {
        style = password_style(&mut generate, p);
        expires = generate.duration(p, "expires", expires);
        must_change = generate.flag(p, "change_at_next_logon", must_change);
        if expires < Duration::from_secs(60) {
            p.fault(
                generate.place,
                "syntax",
                "`expires` leaves no time to sign in",
                "Give at least a minute.",
            );
        }
        generate.finish(p);
    }
    let hold = hold(fields, p);
    let into = fields.into(p, "result");
    let needs = needs(fields, p, "reset");
    let mut exits = fields.exits(p);
    let partial = exits.need_exit(p, "partial", id);
    let failed = exits.need_exit(p, "failed", id);
    let unknown = exits.need_exit(p, "unknown", id);
    exits.finish(p);
    Some(Box::new(Reset {
        targets: targets?,
        style,
        expires,
        must_change,
        needs: needs?,
        hold,
        into,
        partial,
        failed,
        unknown,
    }))
}

fn password_style(generate: &mut Fields, p: &mut Parser<'_>) -> PasswordStyle {
    let Some(name) = generate.text(p, "style") else { return PasswordStyle::Words };
    match name.as_str() {
        "words" => PasswordStyle::Words,
        "alnum24" => PasswordStyle::Alnum24,
        "digits" => PasswordStyle::Digits,
        _ => {
            let message = format!("no passwords are made in the style `{name}`");
            p.fault(generate.place, "syntax", message, "Use `words`, `alnum24` or `digits`.");
            PasswordStyle::Words
        }
    }
}

/// `targets: $variable`, or the word for everything (`None`).
pub(super) fn targets(fields: &mut Fields, p: &mut Parser<'_>, all: &str) -> Option<Option<VarRef>> {
    let node = fields.need(p, "targets")?;
    match p.text(&node, "targets")?.as_str() {
        text if text == all => Some(None),
        _ => Some(Some(p.variable(&node, &format!("targets ({all} or a variable)"), false)?)),
    }
}

/// `while: { play: one_moment }`: what is said while the caller waits.
pub(super) fn hold(fields: &mut Fields, p: &mut Parser<'_>) -> PromptRef {
    let usual = PromptRef { id: "one_moment".into(), place: fields.place };
    let Some(node) = fields.take("while") else { return usual };
    let Some(mut hold) = Fields::of(p, Node { place: node.place, value: node.value }, "while") else {
        return usual;
    };
    let prompt = hold.prompt(p, "play").or_else(|| hold.prompt(p, "say"));
    hold.finish(p);
    prompt.unwrap_or(usual)
}

/// Points by policy; an operation without a policy is a fault.
pub(super) fn needs(fields: &mut Fields, p: &mut Parser<'_>, operation: &'static str) -> Option<u8> {
    let policy = p.needs.iter().find(|(name, _)| name == operation).map(|(_, points)| *points);
    if policy.is_none() {
        let message = format!("`policy` does not say how many points `{operation}` needs");
        p.fault(
            fields.place,
            "L1",
            message,
            format!("Add `{operation}: {{ needs: 2 }}` (or more) to `policy`."),
        );
    }
    policy
}

impl Step for Reset {
    fn kind(&self) -> &'static str {
        "operation:reset"
    }

    fn begin(&self) -> Box<dyn Running> {
        Box::new(self.clone())
    }

    fn exits(&self) -> Vec<Exit> {
        let named = [("failed", self.failed), ("unknown", self.unknown)];
        let mut exits: Vec<Exit> =
            named.into_iter().filter_map(|(name, to)| Some(Exit::plain(name, to?))).collect();
        exits.extend(self.partial.map(|to| Exit { name: "partial".into(), to, gains: self.gains() }));
        exits
    }

    fn gains(&self) -> Vec<Gain> {
        vec![Gain::Variable(self.into.clone(), Kind::Reset)]
    }

    fn needs(&self) -> Vec<Need> {
        let mut needs = vec![Need::Points(self.needs, "operation: reset")];
        needs.extend(self.targets.iter().map(|targets| Need::Variable(targets.clone(), &[Kind::Targets])));
        needs
    }

    fn prompts(&self) -> Vec<PromptRef> {
        with_silence(vec![self.hold.clone()], &self.hold, &["still_working"])
    }
}

/// The systems that an operation is for.
pub(super) fn chosen(cx: &Context, targets: Option<&VarRef>) -> Vec<TargetId> {
    match targets {
        None => cx.capabilities.targets.iter().map(|target| target.id.clone()).collect(),
        Some(variable) => match cx.variable(variable) {
            Some(Variable::Targets(targets)) => targets.clone(),
            _ => Vec::new(),
        },
    }
}

impl Reset {
    fn outcome(&self, cx: &mut Context, outcome: ResetOutcome) -> Next {
        // From here on the journal waits for "heard" or "unheard", whatever happens to the call.
        cx.open_resets.push(outcome.reset.clone());
        let failed = outcome.results.iter().filter(|result| result.result.is_err()).count();
        if outcome.password.is_none() {
            let unknown = outcome.results.iter().any(|result| effect_unknown(&result.result));
            cx.give_up_resets();
            return leave(if unknown { self.unknown } else { self.failed });
        }
        cx.variables.insert(self.into.clone(), Variable::Reset(outcome, self.must_change));
        match failed {
            0 => Next::Done,
            _ => leave(self.partial),
        }
    }
}

/// True where a system may have done it although it did not say so.
pub(super) fn effect_unknown(result: &Result<(), Fault>) -> bool {
    matches!(result, Err(Fault::Timeout | Fault::Internal))
}

impl Running for Reset {
    fn start(&mut self, cx: &mut Context) -> Next {
        if cx.session_is_over() {
            return Next::SessionOver;
        }
        cx.give_up_resets();
        let targets = chosen(cx, self.targets.as_ref());
        let Some(subject) = cx.subject.filter(|_| !targets.is_empty()) else { return leave(self.failed) };
        cx.hold = Some(self.hold.id.clone());
        cx.ask(Query::Reset {
            subject,
            targets,
            style: self.style,
            language: cx.language.clone(),
            expires: self.expires,
            must_change: self.must_change,
            needs: self.needs,
        });
        Next::Stay
    }

    fn event(&mut self, cx: &mut Context, event: Event) -> Next {
        // Nobody can answer ahead what depends on the result.
        cx.stop_and_clear();
        match event {
            Event::Answer(Answer::Reset(outcome)) => self.outcome(cx, outcome),
            Event::Answer(Answer::Failed(Fault::Timeout)) => {
                cx.audit(
                    "reset",
                    "timeout",
                    Some("the caller was told that the effect is not known".to_owned()),
                );
                leave(self.unknown)
            }
            Event::Answer(answer) => unexpected(&answer),
            Event::Spoken | Event::Key(_) | Event::Timer => Next::Stay,
        }
    }
}
