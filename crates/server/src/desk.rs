//! The identity side put together: store, directory, targets, authority.
use crate::{
    config::{Config, Target},
    exit::Failure,
};
use passline_connectors::{
    Authority, DemoUser, EmbeddedConnector, EmbeddedDirectory, LdapConnector, Store, StoreOptions, seed_demo,
};
use passline_identity::{Connector, QuestionId, TargetId};
use rand_chacha::ChaCha20Rng;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

/// The database's path for this configuration.
pub fn database(config: &Config) -> PathBuf {
    config.data().join("passline.db")
}

/// Opens the store, and makes it where there is none.
pub fn open_store(config: &Config) -> Result<Store, Failure> {
    let data = config.data();
    std::fs::create_dir_all(&data).map_err(|e| {
        Failure::machine(format!(
            "{}: cannot be made: {e}; set `data` in the configuration to a folder of yours",
            data.display()
        ))
    })?;
    let options = StoreOptions { hashes_at_once: config.identity.hashes_at_once, ..StoreOptions::default() };
    let path = database(config);
    Store::open_with(&path, options).map_err(|e| Failure::machine(format!("{}: {e}", path.display())))
}

/// Adds the demo people to a store that has nobody yet; those that are there with their demo secrets are returned.
pub async fn seed(store: &Store) -> Result<Vec<DemoUser>, Failure> {
    seed_demo(store).await.map_err(Failure::machine)
}

/// Every question that somebody has enrolled.
pub async fn questions(store: &Store) -> Result<Vec<QuestionId>, Failure> {
    let users = store.users().await.map_err(Failure::machine)?;
    let questions: BTreeSet<_> = users.into_iter().flat_map(|user| user.questions).collect();
    Ok(questions.into_iter().collect())
}

/// Every target that the configuration names.
pub fn targets(config: &Config, store: &Store) -> Result<Vec<Arc<dyn Connector>>, Failure> {
    let mut targets: Vec<Arc<dyn Connector>> = Vec::new();
    for id in &config.identity.embedded_targets {
        targets.push(Arc::new(EmbeddedConnector::new(store.clone(), TargetId(id.clone()))));
    }
    for target in &config.targets {
        let Target::Ldap(ldap) = target;
        let connector = LdapConnector::new(ldap.clone())
            .map_err(|e| Failure::input(format!("target {}: {e}", ldap.id)))?;
        targets.push(Arc::new(connector));
    }
    let mut ids: Vec<_> = targets.iter().map(|target| target.id().clone()).collect();
    ids.sort();
    if let Some(twice) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Failure::input(format!("two targets have the id `{}`; give each its own", twice[0])));
    }
    Ok(targets)
}

/// The authority over a store.
pub fn authority(
    config: &Config,
    store: &Store,
    words: BTreeMap<String, Vec<String>>,
    rng: ChaCha20Rng,
) -> Result<Authority, Failure> {
    let directory = Arc::new(EmbeddedDirectory::new(store.clone()));
    Ok(Authority::new(config.policy.clone(), store.clone(), directory, targets(config, store)?, words, rng))
}
