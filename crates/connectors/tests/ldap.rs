//! The LDAP connector against a real slapd that is stopped, killed and started again.
mod common;

use common::{contract, secret, slapd::Slapd};
use passline_connectors::{LdapConnector, LdapTls};
use passline_identity::{AccountId, Connector, Fault};
use std::time::{Duration, Instant};

fn ada() -> AccountId {
    AccountId("ada".into())
}

#[tokio::test]
async fn a_server_that_stands_still_costs_one_time_limit_and_its_effect_is_unknown() {
    let Some(slapd) = Slapd::start() else { return };
    let ldap = LdapConnector::new(slapd.config()).unwrap();
    assert!(!ldap.status(&ada()).await.unwrap().locked);
    slapd.signal("STOP");
    let start = Instant::now();
    assert_eq!(ldap.set_password(&ada(), &secret("Sent-48-And-Lost"), false).await, Err(Fault::Timeout));
    assert!(start.elapsed() < Duration::from_secs(3));
    // A new connection is taken by the kernel and answered by nobody: nothing was sent.
    assert_eq!(ldap.set_password(&ada(), &secret("Not-48-Sent-Atall"), false).await, Err(Fault::Unavailable));
    assert_eq!(ldap.check_password(&ada(), &secret("old-password-1")).await, Err(Fault::Unavailable));
    slapd.signal("CONT");
    ldap.set_password(&ada(), &secret("Third-48-Password"), false).await.unwrap();
    assert!(ldap.check_password(&ada(), &secret("Third-48-Password")).await.unwrap());
}

#[tokio::test]
async fn after_a_restart_it_connects_anew_by_itself() {
    let Some(mut slapd) = Slapd::start() else { return };
    let ldap = LdapConnector::new(slapd.config()).unwrap();
    ldap.set_password(&ada(), &secret("First-48-Password"), false).await.unwrap();
    slapd.kill();
    let fault = ldap.set_password(&ada(), &secret("While-48-Down"), false).await.unwrap_err();
    assert!(matches!(fault, Fault::Unavailable | Fault::Timeout), "{fault:?}");
    slapd.restart();
    assert!(ldap.check_password(&ada(), &secret("First-48-Password")).await.unwrap(), "it was never sent");
    ldap.set_password(&ada(), &secret("Second-48-Password"), false).await.unwrap();
    slapd.kill();
    slapd.restart();
    // The connection looked alive until used; the operation is repeated on a new one.
    ldap.set_password(&ada(), &secret("Third-48-Password"), false).await.unwrap();
    assert!(ldap.check_password(&ada(), &secret("Third-48-Password")).await.unwrap());
}

#[tokio::test]
async fn the_directory_s_password_policy_has_the_last_word() {
    let Some(slapd) = Slapd::start() else { return };
    let ldap = LdapConnector::new(slapd.config()).unwrap();
    assert_eq!(ldap.set_password(&ada(), &secret("short"), false).await, Err(Fault::Refused));
    assert!(ldap.check_password(&ada(), &secret("old-password-1")).await.unwrap());
}

#[tokio::test]
async fn a_wrong_service_account_is_our_fault_and_changes_nothing() {
    let Some(slapd) = Slapd::start() else { return };
    let config = slapd.config();
    std::fs::write(&config.password_file, "not it\n").unwrap();
    let ldap = LdapConnector::new(config).unwrap();
    assert_eq!(ldap.set_password(&ada(), &secret("Any-48-Password"), false).await, Err(Fault::Unavailable));
}

#[tokio::test]
async fn fifty_at_once_share_one_connection() {
    let Some(slapd) = Slapd::start() else { return };
    let mut config = slapd.config();
    config.timeout_ms = 10_000;
    let ldap = std::sync::Arc::new(LdapConnector::new(config).unwrap());
    let tasks: Vec<_> = (0..50)
        .map(|number| {
            let ldap = ldap.clone();
            tokio::spawn(async move {
                let password = secret(&format!("Password-{number}-Of-Fifty"));
                ldap.set_password(&AccountId(["ada", "ben", "eva"][number % 3].into()), &password, false)
                    .await
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn over_tls_the_certificate_must_be_of_a_known_authority() {
    for (scheme, tls) in [("ldaps", LdapTls::Url), ("ldap", LdapTls::StartTls)] {
        let Some(slapd) = Slapd::start_as(scheme) else { return };
        let mut config = slapd.config();
        config.tls = tls;
        config.timeout_ms = 5_000;
        config.ca_file = Some(slapd.file("ca.pem"));
        contract(&LdapConnector::new(config.clone()).unwrap(), "ada", "old-password-1").await;
        // The server's own certificate is no authority, and another one did not sign it.
        let other = Slapd::start().unwrap();
        config.ca_file = Some(other.file("ca.pem"));
        let ldap = LdapConnector::new(config).unwrap();
        assert_eq!(ldap.status(&ada()).await, Err(Fault::Unavailable), "{scheme}");
    }
}
