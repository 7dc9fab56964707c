//! `speak_secret`: the only way to voice a secret, and for a password the way to know that it arrived.
//!
//! A password that is not confirmed by keying its digits counts as unheard, also when the caller pressed `#` ("I have
//! it") before: only the confirmation proves that it was written down.
mod dictation;
mod parts;
mod run;

use super::{
    Exit, Kind, Need, Step,
    collect::{leave, with_silence},
};
use crate::{
    fields::Fields,
    graph::NodeId,
    parser::{Parser, PromptRef, VarRef},
    run::Running,
};
use std::time::Duration;

/// How a secret is spoken.
#[derive(Clone, Debug)]
pub(super) struct SpeakSecret {
    secret: VarRef,
    what: What,
    /// Between the whole of a part and its spelling, and between groups of digits.
    pause: Duration,
    /// Times that all of it is said when the caller presses nothing.
    repeats: u8,
    confirm: Option<Confirm>,
    vpn_hint: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Password,
    Code,
}

/// Keying back the digits of the secret.
#[derive(Clone, Debug)]
struct Confirm {
    /// Wrong tries until it is spelled again.
    tries: u8,
    /// Times that it is spelled and confirmed in all.
    rounds: u8,
    unconfirmed: Option<NodeId>,
}

pub(super) fn parse(fields: &mut Fields, p: &mut Parser<'_>, id: NodeId) -> Option<Box<dyn Step>> {
    let Some(head) = fields.head("secret") else {
        fields.missing(p, "secret");
        return None;
    };
    let secret = p.variable(&head, "speak_secret", true)?;
    let what = match secret.field.as_deref() {
        Some("password") => What::Password,
        Some("code") => What::Code,
        _ => {
            let message = format!("`speak_secret` cannot speak `${}`", secret.name);
            p.fault(head.place, "L4", message, "Give it `$result.password` or `$disk.code`.");
            return None;
        }
    };
    let (mut pause, mut repeats) = (Duration::from_millis(500), 3);
    if let Some(mut style) = fields.take("style").and_then(|node| Fields::of(p, node, "style")) {
        pause = style.duration(p, "pause", pause);
        repeats = style.number(p, "repeats", 1..=5, repeats);
        if !style.flag(p, "spell", true) {
            let remedy = "Remove `spell: false`: callers cannot guess capitals.";
            p.fault(style.place, "syntax", "a secret is always spelled", remedy);
        }
        if pause < Duration::from_millis(300) || pause > Duration::from_secs(3) {
            let remedy = "500ms helps people remember, 200ms does not.";
            p.fault(style.place, "syntax", "`pause` must be from 300ms to 3s", remedy);
        }
        style.finish(p);
    }
    let confirm = fields.take("confirm").and_then(|node| Fields::of(p, node, "confirm"));
    let confirm = confirm.map(|confirm| self::confirm(p, confirm, &secret));
    let vpn_hint = fields.flag(p, "vpn_hint", false);
    let mut exits = fields.exits(p);
    let confirm = match (confirm, what) {
        (Some(Some(confirm)), What::Password) => {
            Some(Confirm { unconfirmed: exits.need_exit(p, "unconfirmed", id), ..confirm })
        }
        (Some(_), What::Code) => {
            p.fault(fields.place, "syntax", "a recovery code is not confirmed", "Remove `confirm`.");
            None
        }
        (None, What::Password) => {
            let remedy = "Add `confirm: { digits_of: $result.password, tries: 2 }`.";
            p.fault(fields.place, "L5", "nobody would know whether the password was heard", remedy);
            None
        }
        (_, _) => None,
    };
    exits.finish(p);
    Some(Box::new(SpeakSecret { secret, what, pause, repeats, confirm, vpn_hint }))
}

fn confirm(p: &mut Parser<'_>, mut fields: Fields, secret: &VarRef) -> Option<Confirm> {
    let node = fields.need(p, "digits_of")?;
    let of = p.variable(&node, "digits_of", true)?;
    if (&of.name, &of.field) != (&secret.name, &secret.field) {
        let message = "`digits_of` names another secret than the one spoken";
        p.fault(node.place, "L4", message, format!("Write `digits_of: ${}.password`.", secret.name));
    }
    let tries = fields.number(p, "tries", 1..=5, 2);
    let rounds = fields.number(p, "rounds", 1..=5, 2);
    fields.finish(p);
    Some(Confirm { tries, rounds, unconfirmed: None })
}

impl Step for SpeakSecret {
    fn kind(&self) -> &'static str {
        "speak_secret"
    }

    fn begin(&self) -> Box<dyn Running> {
        run::begin(self.clone())
    }

    fn exits(&self) -> Vec<Exit> {
        let unconfirmed = self.confirm.as_ref().and_then(|confirm| confirm.unconfirmed);
        unconfirmed.into_iter().map(|to| Exit::plain("unconfirmed", to)).collect()
    }

    fn needs(&self) -> Vec<Need> {
        let kinds: &'static [Kind] = match self.what {
            What::Password => &[Kind::Reset],
            What::Code => &[Kind::Code],
        };
        vec![Need::Points(1, "speak_secret"), Need::Variable(self.secret.clone(), kinds)]
    }

    fn prompts(&self) -> Vec<PromptRef> {
        let at = PromptRef { id: "press_1_when_ready".into(), place: self.secret.place };
        let mut own =
            vec!["waiting_for_you", "that_was_all", "again_or_done", "slower", "once_more_from_the_start"];
        own.extend(match self.what {
            What::Code => &["disk_code_intro", "disk_code_intro_end", "disk_code_keys", "block_number"][..],
            What::Password => &[
                "password_intro",
                "password_intro_end",
                "password_keys",
                "your_password_is",
                "hyphen_hint",
                "next_part",
                "last_part",
                "key_two_digits",
                "key_all_digits",
                "no_input",
                "not_understood",
                "digits_right",
                "digits_wrong",
                "spell_again",
                "works_until",
                "works_once_until",
                "choose_new_one",
            ],
        });
        if self.vpn_hint {
            own.push("vpn_hint");
        }
        with_silence(vec![at.clone()], &at, &own)
    }

    fn waits(&self) -> bool {
        true
    }

    fn keys(&self) -> Vec<char> {
        vec!['1', '7', '0', '*', '#']
    }
}
