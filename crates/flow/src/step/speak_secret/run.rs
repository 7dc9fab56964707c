//! One secret from "take something to write" to "that is right".
use super::{
    SpeakSecret, What,
    dictation::{Dictated, Dictation},
    leave,
    parts::parts,
};
use crate::run::{Context, DigitSpec, Digits, Event, Next, Read, Running, Utterance, Variable, unexpected};
use passline_identity::{Answer, Fault, Query, ResetOutcome, Secret, SecretDigits};
use passline_prompt::phrase::Item;
use std::time::Duration;

/// Between two reminders while the caller looks for a pen.
const READY_WAIT: Duration = Duration::from_secs(15);
/// Reminders until nobody is taken to be there.
const READY_TIMES: u8 = 6;

/// Where it stands.
enum Stage {
    /// The sentence that keys do not stop.
    Intro,
    /// "Press 1 when you are ready."
    Ready(u8),
    Dictating,
    /// The caller keys the digits.
    Confirming(Digits),
    /// "That does not match." Then it is asked for again, or spelled again.
    Mismatch {
        spell: bool,
    },
    /// The journal entry is closed as heard.
    Closing,
    /// "That is right. It works until …"
    Farewell,
    /// The journal entry is closed as unheard.
    GivingUp,
}

struct Speaking {
    step: SpeakSecret,
    stage: Stage,
    secret: Secret,
    outcome: Option<(ResetOutcome, bool)>,
    dictation: Dictation,
    /// Wrong tries since it was spelled.
    wrong: u8,
    rounds: u8,
}

pub(super) fn begin(step: SpeakSecret) -> Box<dyn Running> {
    let dictation = Dictation::new(step.what, Vec::new(), step.repeats);
    let secret = Secret::new("");
    Box::new(Speaking { step, stage: Stage::Intro, secret, outcome: None, dictation, wrong: 0, rounds: 0 })
}

fn prompt(id: &str) -> Item {
    Item::Prompt(id.into())
}

impl Speaking {
    fn intro(&mut self, cx: &mut Context) -> Next {
        cx.stop_and_clear();
        let parts = parts(&self.secret, self.step.what, self.step.pause);
        let count = Item::Number(u32::try_from(parts.len()).unwrap_or(u32::MAX));
        self.dictation = Dictation::new(self.step.what, parts, self.step.repeats);
        let [intro, end] = match self.step.what {
            What::Password => ["password_intro", "password_intro_end"],
            What::Code => ["disk_code_intro", "disk_code_intro_end"],
        };
        cx.say(Utterance::new(vec![prompt(intro), count, prompt(end)]).firm());
        Next::Stay
    }

    fn ready(&mut self, cx: &mut Context, times: u8) -> Next {
        if times >= READY_TIMES {
            return self.give_up(cx);
        }
        self.stage = Stage::Ready(times);
        let first = match (times, self.step.what) {
            (0, What::Password) => "password_keys",
            (0, What::Code) => "disk_code_keys",
            _ => "waiting_for_you",
        };
        cx.say_items(vec![prompt(first), Item::Pause(300), prompt("press_1_when_ready")]);
        Next::Stay
    }

    fn dictate(&mut self, cx: &mut Context) -> Next {
        self.stage = Stage::Dictating;
        self.wrong = 0;
        self.rounds += 1;
        let dictated = self.dictation.start(cx);
        self.dictated(cx, dictated)
    }

    fn dictated(&mut self, cx: &mut Context, dictated: Dictated) -> Next {
        match dictated {
            Dictated::More => Next::Stay,
            Dictated::HasIt => self.confirm(cx),
        }
    }

    fn confirm(&mut self, cx: &mut Context) -> Next {
        let digits = self.secret.digits().len();
        if self.step.confirm.is_none() {
            return Next::Done;
        }
        if digits == 0 {
            // A drawn password without a digit (characters only, rare): `#` must do.
            return self.heard(cx);
        }
        let words = if digits == 2 { "key_two_digits" } else { "key_all_digits" };
        let spec = DigitSpec { min: digits, max: digits, tries: 2, ..DigitSpec::default() };
        let mut question = Digits::new(spec, vec![prompt(words)]);
        let read = question.start(cx);
        self.stage = Stage::Confirming(question);
        self.confirmed(cx, read)
    }

    fn confirmed(&mut self, cx: &mut Context, read: Read) -> Next {
        match read {
            Read::More => Next::Stay,
            Read::Done(keyed) if self.is_right(&keyed) => self.heard(cx),
            Read::Done(_) | Read::NoInput | Read::NoMatch => self.not_confirmed(cx),
        }
    }

    fn is_right(&self, keyed: &SecretDigits) -> bool {
        self.secret.digits() == *keyed
    }

    fn not_confirmed(&mut self, cx: &mut Context) -> Next {
        cx.stop_and_clear();
        self.wrong += 1;
        let (tries, rounds) =
            self.step.confirm.as_ref().map_or((1, 1), |confirm| (confirm.tries, confirm.rounds));
        let spell = self.wrong >= tries;
        if spell && self.rounds >= rounds {
            return self.give_up(cx);
        }
        self.stage = Stage::Mismatch { spell };
        let mut items = vec![prompt("digits_wrong")];
        items.extend(spell.then(|| prompt("spell_again")));
        cx.say(Utterance::new(items).firm());
        Next::Stay
    }

    fn heard(&mut self, cx: &mut Context) -> Next {
        let Some((outcome, _)) = &self.outcome else { return Next::Done };
        let reset = outcome.reset.clone();
        if !cx.open_resets.contains(&reset) {
            return Next::Fail(Fault::Internal);
        }
        cx.open_resets.retain(|open| *open != reset);
        cx.ask(Query::ResetHeard { reset });
        self.stage = Stage::Closing;
        Next::Stay
    }

    fn give_up(&mut self, cx: &mut Context) -> Next {
        let Some((outcome, _)) = &self.outcome else { return Next::Done };
        let reset = outcome.reset.clone();
        cx.open_resets.retain(|open| *open != reset);
        cx.ask(Query::ResetUnheard { reset });
        self.stage = Stage::GivingUp;
        Next::Stay
    }

    fn farewell(&mut self, cx: &mut Context) -> Next {
        let Some((outcome, must_change)) = &self.outcome else { return Next::Done };
        let (hour, minute) = outcome.valid_until;
        let until = if *must_change { "works_once_until" } else { "works_until" };
        let mut items =
            vec![prompt("digits_right"), Item::Pause(300), prompt(until), Item::Time(hour, minute)];
        if *must_change {
            items.extend([Item::Pause(300), prompt("choose_new_one")]);
        }
        if self.step.vpn_hint {
            items.extend([Item::Pause(300), prompt("vpn_hint")]);
        }
        self.stage = Stage::Farewell;
        // Nobody wants the password on the line any longer than needed.
        self.secret = Secret::new("");
        self.dictation = Dictation::new(self.step.what, Vec::new(), 1);
        cx.say_items(items);
        Next::Stay
    }
}

impl Running for Speaking {
    fn start(&mut self, cx: &mut Context) -> Next {
        match cx.variable(&self.step.secret) {
            Some(Variable::Reset(outcome, must_change)) => {
                let Some(password) = &outcome.password else { return Next::Fail(Fault::Internal) };
                self.secret = password.clone();
                self.outcome = Some((outcome.clone(), *must_change));
            }
            Some(Variable::Code(code)) => self.secret = code.clone(),
            _ => return Next::Fail(Fault::Internal),
        }
        // Said once: what the call no longer needs is not kept in it.
        match cx.variables.get_mut(&self.step.secret.name) {
            Some(Variable::Reset(outcome, _)) => outcome.password = None,
            _ => drop(cx.variables.remove(&self.step.secret.name)),
        }
        self.intro(cx)
    }

    fn event(&mut self, cx: &mut Context, event: Event) -> Next {
        match (&mut self.stage, event) {
            (Stage::Intro, Event::Spoken) => self.ready(cx, 0),
            (Stage::Mismatch { spell: true }, Event::Spoken) => self.dictate(cx),
            (Stage::Mismatch { spell: false }, Event::Spoken) => self.confirm(cx),
            // Other keys do not cut the sentence that says which key to press.
            (Stage::Ready(_), Event::Key(key)) if key.expose() == '1' => self.dictate(cx),
            (Stage::Ready(_), Event::Spoken) => {
                cx.wake_after(READY_WAIT);
                Next::Stay
            }
            (Stage::Ready(times), Event::Timer) => {
                let times = *times + 1;
                self.ready(cx, times)
            }
            (Stage::Dictating, event) => {
                let dictated = self.dictation.event(cx, &event);
                self.dictated(cx, dictated)
            }
            (Stage::Confirming(question), event) => {
                let read = question.event(cx, &event);
                self.confirmed(cx, read)
            }
            (Stage::Closing, Event::Answer(Answer::Done)) => self.farewell(cx),
            (Stage::GivingUp, Event::Answer(Answer::Done)) => {
                leave(self.step.confirm.as_ref().and_then(|confirm| confirm.unconfirmed))
            }
            (Stage::GivingUp, Event::Answer(answer)) => {
                if let Some((outcome, _)) = &self.outcome {
                    cx.unheard_failed(&outcome.reset, &answer);
                }
                unexpected(&answer)
            }
            (Stage::Closing, Event::Answer(answer)) => unexpected(&answer),
            (Stage::Farewell, Event::Spoken) => Next::Done,
            (Stage::Farewell, Event::Key(_)) => {
                // Meant for the dictation that is over, not for the question that comes.
                cx.hush();
                Next::Done
            }
            _ => Next::Stay,
        }
    }
}
