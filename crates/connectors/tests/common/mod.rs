//! What the tests share.
#![allow(dead_code)] // each test binary uses a part of it
pub mod slapd;
pub mod world;

use passline_connectors::{HashCost, Store, StoreOptions};
use passline_identity::{AccountId, Connector, Fault, Secret, SecretDigits};
use std::path::Path;

/// Cheap hashes.
pub fn options() -> StoreOptions {
    StoreOptions { hash: HashCost { memory_kib: 16, passes: 1, lanes: 1 }, ..StoreOptions::default() }
}

pub fn open(folder: &Path) -> Store {
    Store::open_with(&folder.join("store.db"), options()).unwrap()
}

pub fn secret(text: &str) -> Secret {
    Secret::new(text)
}

pub fn keyed(text: &str) -> SecretDigits {
    SecretDigits::parse(text).unwrap()
}

/// What every connector promises. `account` exists, is free and has the password `old`; five wrong ones lock it.
pub async fn contract(connector: &dyn Connector, account: &str, old: &str) {
    let account = AccountId(account.into());
    let nobody = AccountId("nobody-here".into());
    let binds = async |password: &str| connector.check_password(&account, &secret(password)).await.unwrap();
    let status = async || connector.status(&account).await.unwrap();
    let lock = async || {
        for _ in 0..5 {
            assert!(!binds("certainly wrong").await);
        }
        assert!(status().await.locked);
    };
    assert!(!connector.id().0.is_empty());

    assert!(!status().await.locked && !status().await.expired);
    assert!(binds(old).await);
    assert!(!binds("wrong").await);
    assert!(!binds("").await, "an empty password never binds");

    let new = "Tango-48-Maple-Rivet";
    connector.set_password(&account, &secret(new), false).await.unwrap();
    assert!(binds(new).await && !binds(old).await);
    connector.set_password(&account, &secret(new), false).await.unwrap();
    assert!(binds(new).await, "setting it again changes nothing");
    assert_eq!(connector.set_password(&account, &secret(""), false).await, Err(Fault::Refused));
    assert!(binds(new).await);

    lock().await;
    assert!(!binds(new).await, "locked out");
    connector.unlock(&account).await.unwrap();
    assert!(!status().await.locked);
    assert!(binds(new).await, "unlocking leaves the password");
    connector.unlock(&account).await.unwrap();

    lock().await;
    let third = "Überlang-\"quoted\"-\\-( * )";
    connector.set_password(&account, &secret(third), true).await.unwrap();
    assert!(!status().await.locked, "a new password clears the lockout");
    assert!(status().await.expired, "it must be changed");
    assert!(binds(third).await);
    connector
        .set_temporary_password(&account, &secret(new), false, std::time::Duration::from_secs(60))
        .await
        .unwrap();
    assert!(binds(new).await);

    assert_eq!(connector.status(&nobody).await, Err(Fault::NotFound));
    assert_eq!(connector.unlock(&nobody).await, Err(Fault::NotFound));
    assert_eq!(connector.set_password(&nobody, &secret(new), false).await, Err(Fault::NotFound));
    assert_ne!(connector.check_password(&nobody, &secret(new)).await, Ok(true));
}
