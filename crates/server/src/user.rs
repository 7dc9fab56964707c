//! `passline user`: the embedded directory by hand.
use crate::{
    cli::{SecretArg, UserCommand},
    config::Config,
    desk,
    exit::Failure,
    secret,
};
use passline_connectors::{NewUser, Store, StoreError, UserInfo};
use passline_identity::{AccountId, QuestionId, SecretDigits, TargetId};

/// Carries out one command.
pub async fn run(config: &Config, command: UserCommand) -> Result<(), Failure> {
    let store = desk::open_store(config)?;
    match command {
        UserCommand::Add { login, employee_id, accounts } => {
            let accounts = accounts.iter().map(|account| parse_account(account, &login)).collect();
            let user = NewUser { name: login.clone(), login: login.clone(), employee_id, accounts };
            store.add_user(user).await.map_err(refused)?;
            println!("{login} added; now set what they prove themselves with: passline user set-pin {login}");
        }
        UserCommand::List { json } => {
            for user in store.users().await.map_err(refused)? {
                if json {
                    println!("{}", serde_json::to_string(&user).map_err(Failure::machine)?);
                } else {
                    let targets: Vec<_> =
                        user.accounts.iter().map(|account| account.target.0.as_str()).collect();
                    println!("{:<16} {:<10} {}", user.login, user.employee_id, targets.join(" "));
                }
            }
        }
        UserCommand::Show { login, json } => {
            let user = store.user(&login).await.map_err(refused)?;
            if json {
                println!("{}", serde_json::to_string(&user).map_err(Failure::machine)?);
            } else {
                show(&user);
            }
        }
        UserCommand::SetPin { login, secret } => {
            let pin = digits(secret::line(&secret, "PIN")?.expose())?;
            store.set_pin(&login, &pin).await.map_err(refused)?;
            println!("PIN of {login} is set");
        }
        UserCommand::SetAnswers { login, secret } => {
            let answers = read_answers(&secret)?;
            store.set_answers(&login, &answers).await.map_err(refused)?;
            println!("{} answers of {login} are set", answers.len());
        }
        UserCommand::Lock { login, target } => {
            store.lock(&login, target.map(TargetId).as_ref()).await.map_err(refused)?;
            println!("{login} is locked");
        }
        UserCommand::Unlock { login, target } => {
            store.unlock(&login, target.map(TargetId).as_ref()).await.map_err(refused)?;
            println!("{login} is unlocked");
        }
        UserCommand::CheckPassword { login, target, secret } => {
            let password = secret::line(&secret, "Password")?;
            return check_password(config, &store, &login, &target, &password).await;
        }
    }
    Ok(())
}

async fn check_password(
    config: &Config,
    store: &Store,
    login: &str,
    target: &str,
    password: &passline_identity::Secret,
) -> Result<(), Failure> {
    let user = store.user(login).await.map_err(refused)?;
    let account = user.accounts.iter().find(|account| account.target.0 == target);
    let account = account.ok_or_else(|| Failure::input(format!("{login} has no account on `{target}`")))?;
    let connectors = desk::targets(config, store)?;
    let connector = connectors.iter().find(|connector| connector.id().0 == target);
    let connector =
        connector.ok_or_else(|| Failure::input(format!("no target `{target}` in the configuration")))?;
    let binds = connector.check_password(&AccountId(account.account.clone()), password).await;
    if binds.map_err(|fault| Failure::machine(format!("{target}: {fault}")))? {
        println!("the password binds");
        Ok(())
    } else {
        println!("the password does not bind");
        Err(Failure::No)
    }
}

fn refused(error: StoreError) -> Failure {
    match error {
        StoreError::NotFound(_) | StoreError::Invalid(_) => Failure::input(error),
        other => Failure::machine(other),
    }
}

/// `TARGET` or `TARGET=NAME`; NAME may hold further equal signs, as a DN does.
fn parse_account(text: &str, login: &str) -> (TargetId, String) {
    let (target, account) = text.split_once('=').unwrap_or((text, login));
    (TargetId::from(target), account.to_owned())
}

fn digits(text: &str) -> Result<SecretDigits, Failure> {
    let parsed = SecretDigits::parse(text.trim()).filter(|_| text.trim().bytes().all(|b| b.is_ascii_digit()));
    parsed.ok_or_else(|| Failure::input("only the digits 0 to 9 can be keyed on every telephone"))
}

fn read_answers(arg: &SecretArg) -> Result<Vec<(QuestionId, SecretDigits)>, Failure> {
    let text = secret::all(arg, "One answer per line, as question: digits")?;
    let mut answers = Vec::new();
    for (index, line) in text.expose().lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let (question, answer) = line
            .split_once(':')
            .ok_or_else(|| Failure::input(format!("line {}: write question: digits", index + 1)))?;
        answers.push((QuestionId::from(question.trim()), digits(answer)?));
    }
    Ok(answers)
}

fn show(user: &UserInfo) {
    println!("login        {}", user.login);
    println!("employee ID  {}", user.employee_id);
    println!("PIN          {}", if user.has_pin { "set" } else { "not set" });
    let questions: Vec<_> = user.questions.iter().map(|question| question.0.as_str()).collect();
    println!("questions    {}", if questions.is_empty() { "none".into() } else { questions.join(", ") });
    if let Some(until) = &user.locked_until {
        println!("phone lock   until {until} ({} failures)", user.failures);
    }
    for account in &user.accounts {
        let locked = if account.locked { ", locked" } else { "" };
        let must_change = if account.must_change { ", must change" } else { "" };
        let expires = account.expires.as_ref().map(|at| format!(", expires {at}")).unwrap_or_default();
        println!("account      {} as {}{locked}{must_change}{expires}", account.target, account.account);
    }
    for machine in &user.machines {
        println!("computer     {machine}");
    }
}
