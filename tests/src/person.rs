//! Somebody who calls: what they know, and what they press when they hear a prompt.
use crate::ear::Prompt;
use passline_prompt::Transcript;

/// Knows ID, PIN and answers, and does what the voice says.
#[derive(Clone, Debug)]
pub struct Person {
    /// Login name.
    pub login: String,
    /// What to key as ID.
    pub employee_id: String,
    /// What to key as PIN.
    pub pin: String,
    /// Question id and what to key as its answer.
    pub answers: Vec<(String, String)>,
    /// Key for `choose_systems`: `9` takes all.
    pub systems: char,
}

impl Person {
    /// The first demo user.
    pub fn ada() -> Self {
        Self::new("ada", "100123", "739204", ["1984", "0012", "5566", "2011"])
    }

    /// The second demo user: one system only, so that nothing is to be chosen.
    pub fn ben() -> Self {
        Self::new("ben", "100456", "852917", ["1979", "0107", "3141", "2005"])
    }

    /// Somebody with answers to the four shipped questions.
    pub fn new(login: &str, employee_id: &str, pin: &str, answers: [&str; 4]) -> Self {
        let questions = ["birth_year", "house_number", "first_phone", "employee_since"];
        let answers = questions.iter().zip(answers).map(|(id, answer)| ((*id).to_owned(), answer.to_owned()));
        Self {
            login: login.into(),
            employee_id: employee_id.into(),
            pin: pin.into(),
            answers: answers.collect(),
            systems: '9',
        }
    }

    /// Keys for a prompt; `None` where it asks nothing.
    pub fn keys(&self, prompt: &str, transcript: &Transcript) -> Option<String> {
        if let Some(question) = prompt.strip_prefix("question_") {
            return self.answers.iter().find(|(id, _)| id == question).map(|(_, answer)| answer.clone());
        }
        Some(match prompt {
            "language_menu" | "what_do_you_need" | "press_1_when_ready" => "1".into(),
            "key_your_id" => format!("{}#", self.employee_id),
            "enter_your_pin" => format!("{}#", self.pin),
            "choose_systems" => self.systems.into(),
            "again_or_done" => "#".into(),
            "key_two_digits" => transcript.password()?.digits().expose().to_owned(),
            "key_all_digits" => format!("{}#", transcript.password()?.digits().expose()),
            "reset_another" | "anything_else" => "2".into(),
            _ => return None,
        })
    }
}

/// Answers each prompt once, until another one has been answered.
#[derive(Clone, Debug)]
pub struct Patience {
    person: Person,
    answered: Option<String>,
    hurried: bool,
    word_heard: bool,
    digits_heard: u8,
}

impl Patience {
    /// A caller who goes on as soon as a part of the password is certain.
    pub fn hurried(person: Person) -> Self {
        Self { person, answered: None, hurried: true, word_heard: false, digits_heard: 0 }
    }

    /// A caller who hears everything out.
    pub fn patient(person: Person) -> Self {
        Self { hurried: false, ..Self::hurried(person) }
    }

    /// Keys for a prompt that begins or ends.
    pub fn keys(&mut self, prompt: &Prompt, transcript: &Transcript) -> Option<String> {
        let Prompt { language, name, .. } = prompt;
        if self.hurried && self.knows_part(prompt) {
            return Some("1".into());
        }
        // The menu of languages is said in each; these callers want the first.
        if self.answered.as_ref() == Some(name) || (name == "language_menu" && language != "en") {
            return None;
        }
        let keys = match name.as_str() {
            "password_keys" if self.hurried => "1".into(),
            "that_was_all" if self.hurried => "#".into(),
            // Answered by then; a slow phone would press the key into what follows.
            "press_1_when_ready" | "again_or_done" if self.hurried => return None,
            name => self.person.keys(name, transcript)?,
        };
        self.answered = Some(name.to_owned());
        Some(keys)
    }

    /// Whoever has heard a word and the first of its letters, or both digits, need not hear the rest spelled.
    fn knows_part(&mut self, prompt: &Prompt) -> bool {
        if !prompt.complete {
            return false;
        }
        if prompt.name.starts_with("digit_") {
            self.digits_heard += 1;
            return self.digits_heard == 2;
        }
        self.digits_heard = 0;
        self.word_heard |= prompt.name.starts_with("word_");
        self.word_heard && prompt.name.starts_with("code_") && std::mem::take(&mut self.word_heard)
    }
}
