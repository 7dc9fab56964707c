//! `passline call`: a scripted caller from the command line.
use crate::{
    caller::{Dial, Line, Outcome, Plain, script},
    cli::{CallArgs, SrtpArg, TransportArg},
    config::{Config, password},
    content::Content,
    exit::Failure,
    wav,
};
use passline_engine::Encryption;
use passline_engine::sip::{Credentials, Transport};
use serde_json::{Value, json};
use std::{io::Read, net::IpAddr, sync::Arc, time::Duration};
use zeroize::Zeroizing;

/// Places the call, reports, and fails if it was not answered or the script was not carried out to its end.
pub async fn run(config: &Config, args: CallArgs) -> Result<(), Failure> {
    let words = script::parse(&read_script(&args.keys)?).map_err(Failure::input)?;
    let content = Content::load(config, &[])?;
    let address = match args.from_address {
        Some(address) => address,
        None => source_address(&args.uri)?,
    };
    let dial = Dial {
        uri: args.uri.clone(),
        transport: args.transport.map(|transport| match transport {
            TransportArg::Udp => Transport::Udp,
            TransportArg::Tcp => Transport::Tcp,
            TransportArg::Tls => Transport::Tls,
        }),
        credentials: credentials(&args)?,
        srtp: match args.srtp {
            SrtpArg::Off => Encryption::Off,
            SrtpArg::Optional => Encryption::Optional,
            SrtpArg::Required => Encryption::Required,
        },
        from: args.from.clone().unwrap_or_else(|| args.user.clone().unwrap_or("passline-call".into())),
        address,
        dtmf: args.dtmf,
        press_ms: args.press,
        pause_ms: args.pause,
        max: Duration::from_secs(args.max),
    };
    let line = Line::open(address, &content, 32768..=60999, args.ca.iter().cloned().collect()).await?;
    let outcome = line.call(&dial, words, &content, &mut Plain).await;
    if let (Some(path), Some(ear)) = (&args.record, &outcome.ear) {
        wav::write_8k(path, &ear.pcm)?;
    }
    if args.json {
        println!("{}", report(&args, &outcome));
    } else {
        print(&args, &outcome);
    }
    if outcome.codec.is_some() && outcome.script_done { Ok(()) } else { Err(Failure::No) }
}

/// User and password for challenges; the password is never an argument.
fn credentials(args: &CallArgs) -> Result<Option<Credentials>, Failure> {
    let (Some(user), Some(file)) = (&args.user, &args.password_file) else { return Ok(None) };
    let password = Arc::new(password(file).map_err(Failure::input)?);
    Ok(Some(Credentials { user: user.clone(), password, realm: None }))
}

/// The script itself, or what `@FILE` or `-` stands for.
fn read_script(keys: &str) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    if keys == "-" {
        std::io::stdin().read_to_string(&mut text).map_err(Failure::machine)?;
    } else if let Some(path) = keys.strip_prefix('@') {
        let read = std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text));
        read.map_err(|e| Failure::input(format!("{path}: {e}")))?;
    } else {
        text.push_str(keys);
    }
    Ok(text)
}

/// The address from which the system would send to this destination.
fn source_address(uri: &str) -> Result<IpAddr, Failure> {
    let parsed = passline_sip::message::Uri::parse(uri);
    let parsed = parsed
        .ok_or_else(|| Failure::input(format!("`{uri}` is no SIP URI; write e.g. sip:5000@192.0.2.1")))?;
    let destination = match parsed.socket_addr() {
        Some(address) => address,
        None => {
            let host = parsed.host.map(|host| host.to_string()).unwrap_or_default();
            let found = std::net::ToSocketAddrs::to_socket_addrs(&(host.as_str(), 5060));
            let found = found.map_err(|e| Failure::machine(format!("{host}: {e}")))?.next();
            found.ok_or_else(|| Failure::machine(format!("{host}: has no address")))?
        }
    };
    let any: IpAddr = if destination.is_ipv4() { [0, 0, 0, 0].into() } else { [0u16; 8].into() };
    let socket = std::net::UdpSocket::bind((any, 0)).map_err(Failure::machine)?;
    socket.connect(destination).map_err(|e| Failure::machine(format!("{destination}: {e}")))?;
    Ok(socket.local_addr().map_err(Failure::machine)?.ip())
}

fn name<'a>(args: &CallArgs, prompt: &'a crate::caller::ear::HeardPrompt) -> &'a str {
    if args.show_secrets { prompt.clear.expose() } else { &prompt.prompt }
}

fn report(args: &CallArgs, outcome: &Outcome) -> Value {
    let heard = outcome.ear.iter().flat_map(|ear| &ear.prompts).map(|prompt| {
        json!({
            "prompt": name(args, prompt),
            "language": prompt.language,
            "at_ms": prompt.at_ms,
            "until_ms": prompt.until_ms,
            "complete": prompt.complete,
        })
    });
    let heard: Vec<_> = heard.collect();
    json!({
        "uri": args.uri,
        "answered": outcome.codec.is_some(),
        "status": outcome.refused.as_ref().map(|(status, _)| *status),
        "reason": outcome.refused.as_ref().map(|(_, reason)| reason),
        "codec": outcome.codec,
        "pressed": outcome.pressed,
        "script_done": outcome.script_done,
        "digits_received": outcome.digits,
        "talked_ms": outcome.talked.as_millis() as u64,
        "audio_ms": outcome.ear.as_ref().map_or(0, |ear| ear.pcm.len() / 8),
        "missing_frames": outcome.ear.as_ref().map_or(0, |ear| ear.missing_frames),
        "ended": outcome.cause,
        "heard": heard,
    })
}

fn print(args: &CallArgs, outcome: &Outcome) {
    if let Some((status, reason)) = &outcome.refused {
        println!("refused: {status} {reason}");
        return;
    }
    let Some(codec) = &outcome.codec else {
        println!("not answered: {}", outcome.cause);
        return;
    };
    println!(
        "answered with {codec}, {:.1} s, {} keys pressed",
        outcome.talked.as_secs_f32(),
        outcome.pressed
    );
    for prompt in outcome.ear.iter().flat_map(|ear| &ear.prompts) {
        let cut = if prompt.complete { "" } else { " (cut off)" };
        println!("{:>8.2} s  {}/{}{cut}", prompt.at_ms as f64 / 1000.0, prompt.language, name(args, prompt));
    }
    println!("ended: {}", outcome.cause);
}
