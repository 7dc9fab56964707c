//! Exit codes and the errors that lead to them.
use std::{fmt, process::ExitCode};

/// Why a command ends without success.
#[derive(Debug)]
pub enum Failure {
    /// 1: the answer is no; it has been printed.
    No,
    /// 3: configuration or input file; one line per fault.
    Input(Vec<String>),
    /// 4: the machine refused.
    Machine(String),
}

impl Failure {
    /// A single fault of an input.
    pub fn input(fault: impl fmt::Display) -> Self {
        Self::Input(vec![fault.to_string()])
    }

    /// A refusal of the machine.
    pub fn machine(reason: impl fmt::Display) -> Self {
        Self::Machine(reason.to_string())
    }

    /// What it says, line by line.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::No => Vec::new(),
            Self::Input(faults) => faults.clone(),
            Self::Machine(reason) => vec![reason.clone()],
        }
    }

    /// Prints what has not been printed yet, and gives the exit code.
    pub fn report(&self) -> ExitCode {
        match self {
            Self::No => ExitCode::from(1),
            Self::Input(faults) => {
                faults.iter().for_each(|fault| eprintln!("{fault}"));
                ExitCode::from(3)
            }
            Self::Machine(reason) => {
                eprintln!("passline: {reason}");
                ExitCode::from(4)
            }
        }
    }
}
