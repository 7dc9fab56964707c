//! `passline demo`: a locked-out user calls, and gets the account back. Nothing is mocked: SIP and RTP over loopback.
use crate::{
    caller::{Brain, Dial, Line, script::Word},
    cli::{DemoArgs, DtmfArg},
    config::{Config, Listen, Transport},
    desk,
    exit::Failure,
    node::Node,
    serve, wav,
};
use passline_connectors::DemoUser;
use passline_engine::{Encryption, Trace, TraceKind};
use passline_identity::{AccountId, Secret};
use passline_net::Command;
use passline_prompt::{Heard, Transcript};
use passline_rtp::Digit;
use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

/// The demo must be over by then, whatever happens.
const LONGEST: Duration = Duration::from_secs(180);

/// Runs the mini-PBX with a fresh store, calls it, and proves what the call did.
pub async fn run(config: &Config, args: &DemoArgs) -> Result<(), Failure> {
    let data = std::env::temp_dir().join(format!("passline-demo-{}", std::process::id()));
    let mut config = config.clone();
    config.data = Some(data.clone());
    config.sip.listen = listeners();
    config.rtp.address = None;
    let result = demonstrate(&config, args).await;
    // A store with public secrets is of no use to anybody.
    let _ = std::fs::remove_dir_all(&data);
    result
}

async fn demonstrate(config: &Config, args: &DemoArgs) -> Result<(), Failure> {
    let start = Instant::now();
    let node = Node::start(config, true, true).await?;
    let address = config.sip.listen[0].address;
    println!("Passline is listening on {address}, with a store of its own in {}", config.data().display());
    serve::print_demo(&node.demo);
    let (handle, store, content) = (node.handle.clone(), node.store.clone(), node.content.clone());
    let user = node.demo.first().cloned().ok_or_else(|| Failure::machine("the demo store has no user"))?;
    let running = tokio::spawn(node.run(move |seen| show(start, seen)));

    println!("\n{} has forgotten the password, has a telephone, and calls.\n", user.name);
    let dial = Dial {
        uri: format!("sip:5000@{address}"),
        transport: None,
        credentials: None,
        srtp: Encryption::Off,
        from: "+4930555010".into(),
        address: address.ip(),
        dtmf: DtmfArg::Rfc4733,
        press_ms: 80,
        pause_ms: 60,
        max: LONGEST,
    };
    let line = Line::open(address.ip(), &content, 33000..=39999, Vec::new()).await?;
    let mut caller = Caller { start, user: &user, answered: None, word_heard: false, digits_heard: 0 };
    let outcome = line.call(&dial, Vec::new(), &content, &mut caller).await;
    handle.send(Command::Drain);
    let _ = running.await;

    let Some(ear) = &outcome.ear else {
        return Err(Failure::machine(match outcome.refused {
            Some((status, reason)) => format!("the demo call was refused: {status} {reason}"),
            None => format!("the demo call was not answered: {}", outcome.cause),
        }));
    };
    wav::write_8k(&args.record, &ear.pcm)?;
    println!(
        "\nThe caller pressed {} keys and heard {} prompts in {:.1} s: {}",
        outcome.pressed,
        ear.prompts.len(),
        outcome.talked.as_secs_f32(),
        args.record.display()
    );
    let Some(new) = ear.transcript.password() else {
        return Err(Failure::machine("the caller did not hear a password"));
    };
    let mut good = true;
    for target in desk::targets(config, &store)? {
        let Some(account) = user.accounts.iter().find(|account| account.target == target.id().0) else {
            continue;
        };
        let id = AccountId(account.account.to_owned());
        let binds =
            async |password: &Secret| target.check_password(&id, password).await.map_err(Failure::machine);
        let (old_binds, new_binds) = (binds(&Secret::new(account.old_password)).await?, binds(&new).await?);
        let word = |binds| if binds { "binds" } else { "does not bind" };
        println!(
            "  {:<10} the old password {}, the password that the caller wrote down {}",
            target.id(),
            word(old_binds),
            word(new_binds)
        );
        good &= !old_binds && new_binds;
    }
    for call in store.calls(1).await.map_err(Failure::machine)? {
        print!("  record     ");
        crate::calls::print_call(&call);
        good &= call.outcome == "completed" && call.digit_count as usize == outcome.pressed;
    }
    if good {
        println!("Account given back in {:.1} s.", start.elapsed().as_secs_f32());
        Ok(())
    } else {
        println!("The demo did not go as it should.");
        Err(Failure::No)
    }
}

/// Port 5060 where it is free, so that the lines look familiar; else any.
fn listeners() -> Vec<Listen> {
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let free = std::net::UdpSocket::bind(at(5060)).is_ok() && std::net::TcpListener::bind(at(5060)).is_ok();
    let port = if free {
        5060
    } else {
        let any = std::net::UdpSocket::bind(at(0)).and_then(|socket| socket.local_addr());
        any.map_or(5070, |address| address.port())
    };
    [Transport::Udp, Transport::Tcp].map(|transport| Listen { transport, address: at(port) }).into()
}

fn line(start: Instant, what: std::fmt::Arguments<'_>) {
    println!("{:>7.2}  {what}", start.elapsed().as_secs_f32());
}

fn show(start: Instant, seen: Trace) {
    match seen.what {
        TraceKind::SipIn { first_line, .. } => line(start, format_args!("sip  → {first_line}")),
        TraceKind::SipOut { first_line, .. } => line(start, format_args!("sip  ← {first_line}")),
        TraceKind::Spoken { language, log } => line(start, format_args!("says   [{language}] {log}")),
        TraceKind::Interrupted => line(start, format_args!("       (interrupted)")),
        TraceKind::Digit { shown, method } => line(start, format_args!("digit  {shown} by {method}")),
        TraceKind::Step(step) => line(start, format_args!("step   {step}")),
        TraceKind::Query(query) => line(start, format_args!("asks   {query}")),
        TraceKind::Answer(answer) => line(start, format_args!("gets   {answer}")),
    }
}

/// The demo caller: knows ID, PIN and answers, does what the voice says, and is in a hurry.
struct Caller<'a> {
    start: Instant,
    user: &'a DemoUser,
    /// The prompt that was answered last; the same prompt is answered again only after another one.
    answered: Option<String>,
    /// The part of the password that is being said was heard as a word and not yet spelled.
    word_heard: bool,
    /// Digits heard of the part that is being said.
    digits_heard: u8,
}

impl Caller<'_> {
    fn reply(&self, prompt: &str, transcript: &Transcript) -> Option<String> {
        if let Some(question) = prompt.strip_prefix("question_") {
            return self
                .user
                .answers
                .iter()
                .find(|(id, _)| *id == question)
                .map(|(_, answer)| (*answer).to_owned());
        }
        Some(match prompt {
            "language_menu" => "1".into(),
            "key_your_id" => format!("{}#", self.user.employee_id),
            "enter_your_pin" => format!("{}#", self.user.pin),
            "what_do_you_need" => "1".into(),
            "choose_systems" => "9".into(),
            "password_keys" => "1".into(),
            "that_was_all" => "#".into(),
            "key_two_digits" => transcript.password()?.digits().expose().to_owned(),
            "digits_right" => "1".into(),
            "reset_another" => "2".into(),
            _ => return None,
        })
    }

    /// A caller who has heard a word and its first letter, or both digits, need not hear the rest of it spelled.
    fn knows_part(&mut self, heard: &Heard) -> bool {
        if !heard.complete {
            return false;
        }
        let clip = heard.name();
        if clip.starts_with("digit_") {
            self.digits_heard += 1;
            return self.digits_heard == 2;
        }
        self.digits_heard = 0;
        self.word_heard |= clip.starts_with("word_");
        self.word_heard && clip.starts_with("code_") && std::mem::take(&mut self.word_heard)
    }
}

impl Brain for Caller<'_> {
    fn hear(&mut self, heard: &Heard, transcript: &mut Transcript) -> Vec<Word> {
        let prompt = heard.log_name().to_owned();
        let keys = if self.knows_part(heard) {
            Some("1".to_owned())
        } else if self.answered.as_ref() == Some(&prompt)
            || (prompt == "language_menu" && heard.language() != "en")
        {
            // The language menu is said in each language; the caller wants the first.
            None
        } else {
            let keys = self.reply(&prompt, transcript);
            if keys.is_some() {
                self.answered = Some(prompt.clone());
            }
            keys
        };
        let Some(keys) = keys else { return Vec::new() };
        line(self.start, format_args!("caller hears {prompt} and presses {} key(s)", keys.len()));
        // A person needs a moment before the first key.
        vec![
            Word::Pause(Duration::from_millis(200)),
            Word::Keys(keys.chars().filter_map(Digit::from_char).collect()),
        ]
    }
}
