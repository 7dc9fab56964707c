//! Secrets come from a prompt, standard input or a file; an argument would stand in the process list.
use crate::{cli::SecretArg, exit::Failure};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use passline_identity::Secret;
use std::io::{BufRead, IsTerminal, Read, Write};
use zeroize::Zeroizing;

/// Longest secret input, in octets.
const MAX: u64 = 64 * 1024;

/// Reads one line.
pub fn line(arg: &SecretArg, prompt: &str) -> Result<Secret, Failure> {
    let text = match &arg.file {
        Some(_) => all(arg, prompt)?.expose().to_owned(),
        None if std::io::stdin().is_terminal() => return hidden_line(prompt),
        None => {
            let mut text = String::new();
            std::io::stdin().lock().take(MAX).read_line(&mut text).map_err(Failure::machine)?;
            text
        }
    };
    let text = Zeroizing::new(text);
    Ok(Secret::new(text.lines().next().unwrap_or_default()))
}

/// Reads everything.
pub fn all(arg: &SecretArg, prompt: &str) -> Result<Secret, Failure> {
    let mut text = Zeroizing::new(String::new());
    match &arg.file {
        Some(path) => {
            let file =
                std::fs::File::open(path).map_err(|e| Failure::input(format!("{}: {e}", path.display())))?;
            file.take(MAX)
                .read_to_string(&mut text)
                .map_err(|e| Failure::input(format!("{}: {e}", path.display())))?;
        }
        None => {
            if std::io::stdin().is_terminal() {
                eprintln!("{prompt} (end with Ctrl-D)");
            }
            std::io::stdin().take(MAX).read_to_string(&mut text).map_err(Failure::machine)?;
        }
    }
    Ok(Secret::new(text.as_str()))
}

/// Asks on the terminal without echo.
fn hidden_line(prompt: &str) -> Result<Secret, Failure> {
    let stdin = std::io::stdin();
    eprint!("{prompt}: ");
    let _ = std::io::stderr().flush();
    let before = tcgetattr(&stdin).map_err(Failure::machine)?;
    let mut silent = before.clone();
    silent.local_flags.remove(LocalFlags::ECHO);
    tcsetattr(&stdin, SetArg::TCSAFLUSH, &silent).map_err(Failure::machine)?;
    let mut text = Zeroizing::new(String::new());
    let read = stdin.lock().take(MAX).read_line(&mut text);
    let _ = tcsetattr(&stdin, SetArg::TCSAFLUSH, &before);
    eprintln!();
    read.map_err(Failure::machine)?;
    Ok(Secret::new(text.trim_end_matches(['\n', '\r'])))
}
