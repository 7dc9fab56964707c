//! Every connector keeps the same promises.
mod common;

use common::{contract, open, secret, slapd::Slapd};
use passline_connectors::{EmbeddedDirectory, LdapConnector, NewUser};

#[tokio::test]
async fn the_embedded_targets_keep_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for connector in EmbeddedDirectory::connectors(&store) {
        let login = format!("of-{}", connector.id());
        let accounts = vec![(connector.id().clone(), "ada".to_owned())];
        let user =
            NewUser { login: login.clone(), employee_id: login.clone(), accounts, ..NewUser::default() };
        store.add_user(user).await.unwrap();
        store.set_password(&login, connector.id(), &secret("old-password-1")).await.unwrap();
        contract(&*connector, "ada", "old-password-1").await;
    }
}

#[tokio::test]
async fn ldap_with_a_dn_template_keeps_the_contract() {
    let Some(slapd) = Slapd::start() else { return };
    contract(&LdapConnector::new(slapd.config()).unwrap(), "ada", "old-password-1").await;
    contract(&LdapConnector::new(slapd.config()).unwrap(), "o'hare, (jr)*", "old-password-1").await;
}

#[tokio::test]
async fn ldap_with_a_search_keeps_the_contract() {
    let Some(slapd) = Slapd::start() else { return };
    let mut config = slapd.config();
    config.user_dn = None;
    config.search_base = Some("dc=example,dc=org".into());
    config.search_filter = Some("(&(objectClass=inetOrgPerson)(uid={account}))".into());
    contract(&LdapConnector::new(config.clone()).unwrap(), "ada", "old-password-1").await;
    contract(&LdapConnector::new(config).unwrap(), "o'hare, (jr)*", "old-password-1").await;
}
