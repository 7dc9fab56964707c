//! Conditions of `if`: a few facts and public variables, joined by `and`, each with an optional `not`.
use super::{Kind, Need};
use crate::{
    parser::{Parser, VarRef, did_you_mean},
    run::{Context, Variable},
    yaml::Node,
};

/// All terms must hold.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    terms: Vec<(bool, Term)>,
}

#[derive(Clone, Debug)]
enum Term {
    HasComputer,
    HasTargets,
    HasLocked,
    Equals(VarRef, String),
}

const FACTS: [&str; 3] = ["user.has_computer", "user.has_targets", "user.has_locked"];

impl Condition {
    /// Reads e.g. `user.has_computer`, `not user.has_locked and $choice == "1"`.
    pub fn parse(p: &mut Parser<'_>, node: &Node) -> Option<Self> {
        let text = p.text(node, "if")?;
        let terms =
            text.split(" and ").map(|term| Self::term(p, node, term.trim())).collect::<Option<_>>()?;
        Some(Self { terms })
    }

    fn term(p: &mut Parser<'_>, node: &Node, term: &str) -> Option<(bool, Term)> {
        let (wanted, term) = match term.strip_prefix("not ") {
            Some(rest) => (false, rest.trim()),
            None => (true, term),
        };
        let fact = match term {
            "user.has_computer" => Term::HasComputer,
            "user.has_targets" => Term::HasTargets,
            "user.has_locked" => Term::HasLocked,
            _ => {
                let Some((variable, text)) = Self::comparison(term, node) else {
                    let message = format!("`{term}` is no condition");
                    let remedy = match did_you_mean(term, &FACTS) {
                        guess if guess.starts_with("Did") => guess,
                        _ => format!("Write {}, or `$digits == \"1\"`.", FACTS.join(", ")),
                    };
                    p.fault(node.place, "syntax", message, remedy);
                    return None;
                };
                if variable.is_secret() {
                    let message = format!("`{term}` compares a secret");
                    p.fault(node.place, "L4", message, "A secret reaches only `speak_secret`.");
                    return None;
                }
                Term::Equals(variable, text)
            }
        };
        Some((wanted, fact))
    }

    fn comparison(term: &str, node: &Node) -> Option<(VarRef, String)> {
        let (left, right) = term.split_once("==")?;
        let text = right.trim().strip_prefix('"')?.strip_suffix('"')?;
        Some((VarRef::read(left, node.place)?, text.to_owned()))
    }

    /// Variables that must be set, and must not be secret.
    pub fn needs(&self) -> Vec<Need> {
        let variable = |(_, term): &(bool, Term)| match term {
            Term::Equals(variable, _) => Some(Need::Variable(variable.clone(), &[Kind::Digits])),
            _ => None,
        };
        self.terms.iter().filter_map(variable).collect()
    }

    /// Whether it holds now.
    pub fn holds(&self, cx: &Context) -> bool {
        self.terms.iter().all(|(wanted, term)| {
            *wanted
                == match term {
                    Term::HasComputer => !cx.capabilities.machines.is_empty(),
                    Term::HasTargets => !cx.capabilities.targets.is_empty(),
                    // A system that could not be asked may well have locked the account.
                    Term::HasLocked => cx.capabilities.targets.iter().any(|target| target.locked != Some(false)),
                    Term::Equals(variable, text) => {
                        matches!(cx.variable(variable), Some(Variable::Digits(digits)) if digits.expose() == text)
                    }
                }
        })
    }
}
