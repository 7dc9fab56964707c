//! Three people to try everything with. Their secrets are public: they stand here and are printed at start.
use crate::{NewUser, Store, StoreError};
use passline_identity::{MachineId, QuestionId, Secret, SecretDigits, TargetId};
use rusqlite::OptionalExtension;

/// One demo person, for printing.
#[derive(Clone, Debug)]
pub struct DemoUser {
    /// Login name.
    pub login: &'static str,
    /// Name for people.
    pub name: &'static str,
    /// What to key as ID.
    pub employee_id: &'static str,
    /// What to key as PIN.
    pub pin: &'static str,
    /// Question id and what to key as its answer.
    pub answers: &'static [(&'static str, &'static str)],
    /// Accounts.
    pub accounts: &'static [DemoAccount],
    /// Computer and its disk recovery code, if any.
    pub machine: Option<(&'static str, &'static str)>,
}

/// One account of a demo person.
#[derive(Clone, Debug)]
pub struct DemoAccount {
    /// `directory` or `crm`.
    pub target: &'static str,
    /// Account name there.
    pub account: &'static str,
    /// The password before any reset.
    pub old_password: &'static str,
    /// Locked out by intruder detection at the start.
    pub locked: bool,
}

const fn account(
    target: &'static str,
    account: &'static str,
    old_password: &'static str,
    locked: bool,
) -> DemoAccount {
    DemoAccount { target, account, old_password, locked }
}

static PEOPLE: [DemoUser; 3] = [
    DemoUser {
        login: "ada",
        name: "Ada Berg",
        employee_id: "100123",
        pin: "739204",
        answers: &[
            ("birth_year", "1984"),
            ("house_number", "0012"),
            ("first_phone", "5566"),
            ("employee_since", "2011"),
        ],
        accounts: &[
            account("directory", "ada", "Old-Ada-Directory-1", false),
            account("crm", "ada.berg", "Old-Ada-Crm-1", false),
        ],
        machine: None,
    },
    DemoUser {
        login: "ben",
        name: "Ben Ito",
        employee_id: "100456",
        pin: "852917",
        answers: &[
            ("birth_year", "1979"),
            ("house_number", "0107"),
            ("first_phone", "3141"),
            ("employee_since", "2005"),
        ],
        accounts: &[account("directory", "ben", "Old-Ben-Directory-1", false)],
        machine: Some(("LAPTOP-BEN", "135795-597531-029898-345565-177980-720885-046662-090101")),
    },
    DemoUser {
        login: "eva",
        name: "Eva Lund",
        employee_id: "100789",
        pin: "416538",
        answers: &[
            ("birth_year", "1991"),
            ("house_number", "0048"),
            ("first_phone", "2718"),
            ("employee_since", "2019"),
        ],
        accounts: &[
            account("directory", "eva", "Old-Eva-Directory-1", true),
            account("crm", "eva.lund", "Old-Eva-Crm-1", false),
        ],
        machine: None,
    },
];

/// The demo people: the first is the one to show, the second has a computer, the third is locked out.
pub fn demo_users() -> &'static [DemoUser] {
    &PEOPLE
}

/// Adds the demo people to a store that has nobody, and returns those who are there with their demo PIN.
/// A store with people of its own is left as it is.
///
/// # Errors
/// Of the store.
pub async fn seed_demo(store: &Store) -> Result<Vec<DemoUser>, StoreError> {
    let begun = store
        .change(|change| {
            let nobody: bool =
                change.query_row("SELECT NOT EXISTS (SELECT 1 FROM people)", [], |row| row.get(0))?;
            let mark: Option<Vec<u8>> = change
                .query_row("SELECT value FROM meta WHERE name = 'demo'", [], |row| row.get(0))
                .optional()?;
            if mark.is_none() && nobody {
                change.execute("INSERT INTO meta VALUES ('demo', x'00')", [])?;
                return Ok(true);
            }
            // 0 = begun, and a crash came between.
            Ok(mark.is_some_and(|mark| mark == [0]))
        })
        .await?;
    if begun {
        for user in demo_users() {
            add(store, user).await?;
        }
        store
            .change(|change| {
                change.execute("UPDATE meta SET value = x'01' WHERE name = 'demo'", [])?;
                Ok(())
            })
            .await?;
    }
    let mut there = Vec::new();
    for user in demo_users() {
        if store.pin_matches(Some(user.login), &digits(user.pin)).await? {
            there.push(user.clone());
        }
    }
    Ok(there)
}

async fn add(store: &Store, user: &DemoUser) -> Result<(), StoreError> {
    let accounts =
        user.accounts.iter().map(|account| (TargetId::from(account.target), account.account.to_owned()));
    let new = NewUser {
        login: user.login.into(),
        name: user.name.into(),
        employee_id: user.employee_id.into(),
        accounts: accounts.collect(),
    };
    if matches!(store.user(user.login).await, Err(StoreError::NotFound(_))) {
        store.add_user(new).await?;
    }
    for account in user.accounts {
        let target = TargetId::from(account.target);
        store.set_password(user.login, &target, &Secret::new(account.old_password)).await?;
        if account.locked {
            store.lock(user.login, Some(&target)).await?;
        }
    }
    if let Some((machine, code)) = user.machine {
        store.set_disk_code(user.login, &MachineId::from(machine), &Secret::new(code)).await?;
    }
    let answers: Vec<_> =
        user.answers.iter().map(|(question, answer)| (QuestionId::from(*question), digits(answer))).collect();
    store.set_answers(user.login, &answers).await?;
    store.set_pin(user.login, &digits(user.pin)).await
}

fn digits(text: &str) -> SecretDigits {
    SecretDigits::parse(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::light;

    #[tokio::test]
    async fn an_empty_store_is_seeded_once() {
        let (_folder, store) = light();
        assert_eq!(seed_demo(&store).await.unwrap().len(), 3);
        let target = TargetId::from("directory");
        let old = |user: &DemoUser| Secret::new(user.accounts[0].old_password);
        assert!(store.check_password("ada", &target, &old(&PEOPLE[0])).await.unwrap());
        assert!(!store.check_password("eva", &target, &old(&PEOPLE[2])).await.unwrap(), "locked out");
        store.set_password("ada", &target, &Secret::new("Changed-1")).await.unwrap();
        store.set_pin("ben", &digits("0000")).await.unwrap();
        let there = seed_demo(&store).await.unwrap();
        assert_eq!(there.iter().map(|user| user.login).collect::<Vec<_>>(), ["ada", "eva"]);
        assert!(
            store.check_password("ada", &target, &Secret::new("Changed-1")).await.unwrap(),
            "nothing was set back"
        );
    }

    #[tokio::test]
    async fn a_store_with_people_stays_as_it_is() {
        let (_folder, store) = light();
        let user = NewUser { login: "zoe".into(), employee_id: "1".into(), ..NewUser::default() };
        store.add_user(user).await.unwrap();
        assert!(seed_demo(&store).await.unwrap().is_empty());
        assert_eq!(store.users().await.unwrap().len(), 1);
    }

    #[test]
    fn the_disk_code_is_well_formed() {
        let (_, code) = PEOPLE[1].machine.unwrap();
        let blocks: Vec<u32> = code.split('-').map(|block| block.parse().unwrap()).collect();
        assert_eq!((blocks.len(), code.len()), (8, 55));
        assert!(blocks.iter().all(|block| block % 11 == 0 && block / 11 < 65_536), "as BitLocker makes them");
    }
}
