//! SIGHUP and `passline reload`: configuration, flows and prompts are read again while calls go on.
use crate::{
    config::{Config, Log, Sip},
    content::Content,
    desk,
    logging::LogLevel,
    wire,
};
use ipnet::IpNet;
use passline_connectors::Store;
use passline_net::{Command, Handle};
use std::{net::IpAddr, path::PathBuf, sync::Arc};
use tokio::sync::Mutex;

/// Knows where things were read from, and what holds now.
pub struct Reloader {
    named: Option<PathBuf>,
    holds: Mutex<Config>,
    store: Store,
    handle: Handle,
    log: LogLevel,
}

impl Reloader {
    /// `named` is the configuration file that the command line named.
    pub fn new(named: Option<PathBuf>, config: Config, store: Store, handle: Handle, log: LogLevel) -> Self {
        Self { named, holds: Mutex::new(config), store, handle, log }
    }

    /// Reads everything again. Running calls keep the flows and prompts that they began with. What came of it, or all
    /// faults; with a fault nothing has changed.
    pub async fn reload(&self) -> Result<Vec<String>, Vec<String>> {
        let mut holds = self.holds.lock().await;
        let result = self.read(&holds).await;
        match &result {
            Ok((_, report)) => report.iter().for_each(|line| tracing::info!("reload: {line}")),
            Err(faults) => faults.iter().for_each(|fault| tracing::error!("not reloaded: {fault}")),
        }
        let (config, report) = result?;
        *holds = config;
        Ok(report)
    }

    async fn read(&self, old: &Config) -> Result<(Config, Vec<String>), Vec<String>> {
        let (new, file) = Config::load(self.named.as_deref()).map_err(|fault| fault.lines())?;
        new.check_files(file.as_deref()).map_err(|fault| fault.lines())?;
        let questions = desk::questions(&self.store).await.map_err(|fault| fault.lines())?;
        // What needs a restart must not be used by what does not: flows are checked against the targets that there are.
        let mut mixed = new.clone();
        mixed.identity = old.identity.clone();
        mixed.targets = old.targets.clone();
        let content = {
            let mixed = mixed.clone();
            tokio::task::spawn_blocking(move || Content::load(&mixed, &questions))
        };
        let content =
            content.await.map_err(|error| vec![error.to_string()])?.map_err(|fault| fault.lines())?;
        // What was not taken over must be told again at the next reload, so the old setting is kept in mind.
        let keep = Config {
            data: old.data.clone(),
            sip: Sip {
                listen: old.sip.listen.clone(),
                dscp: old.sip.dscp,
                realm: old.sip.realm.clone(),
                digest: old.sip.digest.clone(),
                // There is room for as many streams as there was at the start.
                max_calls: new.sip.max_calls.min(old.sip.max_calls),
                ..new.sip.clone()
            },
            rtp: crate::config::Rtp { timeout_s: new.rtp.timeout_s, ..old.rtp.clone() },
            policy: old.policy.clone(),
            calls: old.calls.clone(),
            http: old.http.clone(),
            log: Log { format: old.log.format, ..new.log.clone() },
            ..mixed
        };
        let engine = wire::engine(&keep, false)?;
        self.tls(&keep).await?;
        // The last that can fail; from here on everything is taken over.
        self.log.set(&new.log.level).map_err(|fault| vec![fault])?;
        let (program, library) = (content.program, content.library);
        self.handle.send(Command::Reload { program, library });
        self.handle.send(Command::Guard(Box::new(wire::guard(&keep))));
        self.handle.send(Command::Configure(Box::new(engine)));
        let mut report = vec![
            format!("new calls use {}", content.origin),
            format!(
                "{} trunks, {} devices, {} routes",
                keep.trunks.len(),
                keep.devices.len(),
                keep.routes.len()
            ),
        ];
        report.extend(new.warnings());
        report.extend(content.warnings);
        let later = needs_restart(old, &new);
        report.extend(later.into_iter().map(|setting| format!("{setting} has changed: restart to use it")));
        Ok((keep, report))
    }

    /// Certificates are read again, too: they are renewed under the same name.
    async fn tls(&self, config: &Config) -> Result<(), Vec<String>> {
        let (done, told) = tokio::sync::oneshot::channel();
        let tls = Box::new(wire::tls(config));
        self.handle.send(Command::Tls { config: tls, done });
        match told.await {
            Ok(result) => result.map_err(|fault| vec![format!("sip.tls: {fault}")]),
            Err(_) => Err(vec!["the server is ending".into()]),
        }
    }

    /// What holds now.
    pub async fn holds(&self) -> Config {
        self.holds.lock().await.clone()
    }

    /// The network that keeps an address from being banned.
    pub async fn trusted(&self, source: IpAddr) -> Option<IpNet> {
        let trusted = wire::guard(&*self.holds.lock().await).trusted;
        trusted.into_iter().find(|network| network.contains(&source.to_canonical()))
    }

    /// How long running calls may go on after SIGTERM.
    pub async fn patience(&self) -> std::time::Duration {
        std::time::Duration::from_secs(self.holds.lock().await.sip.shutdown_s)
    }
}

/// Settings that differ and hold from the next start on.
fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let targets = |config: &Config| format!("{:?}", config.targets);
    [
        ("data", old.data() != new.data()),
        ("sip.listen", old.sip.listen != new.sip.listen),
        ("sip.max_calls", old.sip.max_calls < new.sip.max_calls),
        ("sip.allow", old.allow() != new.allow()),
        ("sip.dscp", old.sip.dscp != new.sip.dscp),
        ("sip.realm", old.sip.realm != new.sip.realm),
        ("sip.digest", old.sip.digest != new.sip.digest),
        ("sip.keep_alive_s", old.sip.keep_alive_s != new.sip.keep_alive_s),
        ("rtp.address", old.rtp.address != new.rtp.address),
        ("rtp.ports", old.rtp.ports != new.rtp.ports),
        ("rtp.dscp", old.rtp.dscp != new.rtp.dscp),
        ("rtp.shards", old.rtp.shards() != new.rtp.shards()),
        ("rtp.cores", old.rtp.cores != new.rtp.cores),
        ("rtp.nice", old.rtp.nice != new.rtp.nice),
        ("rtp.io", old.rtp.io != new.rtp.io),
        ("rtp.calls_per_port", old.rtp.calls_per_port != new.rtp.calls_per_port),
        ("rtp.codecs", old.rtp.codecs != new.rtp.codecs),
        ("identity", old.identity != new.identity),
        ("policy", old.policy != new.policy),
        ("targets", targets(old) != targets(new)),
        ("calls", old.calls != new.calls),
        ("http.listen", old.http != new.http),
        ("log.format", old.log.format != new.log.format),
    ]
    .into_iter()
    .filter_map(|(setting, differs)| differs.then_some(setting))
    .collect()
}

/// Reloads at each SIGHUP.
pub async fn on_hangup(reloader: Arc<Reloader>) {
    let Ok(mut hangup) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()) else {
        return;
    };
    while hangup.recv().await.is_some() {
        tracing::info!("SIGHUP: configuration, flows and prompts are read again");
        // It has logged what came of it.
        let _ = reloader.reload().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_change_while_it_runs_needs_a_restart() {
        let read = |text: &str| Config::parse(text, "f").unwrap();
        let old = read("");
        for (text, setting) in [
            ("sip: { realm: other }", Some("sip.realm")),
            ("sip: { digest: [SHA-256, MD5] }", Some("sip.digest")),
            ("sip: { max_calls: 7 }", None),
            ("sip: { max_calls: 7000 }", Some("sip.max_calls")),
            ("rtp: { timeout_s: 7 }", None),
            ("rtp: { dscp: 7 }", Some("rtp.dscp")),
            ("rtp: { codecs: [G722] }", Some("rtp.codecs")),
            ("log: { format: json }", Some("log.format")),
            ("log: { level: debug }", None),
            ("sip: { shutdown_s: 7 }", None),
            ("http: { listen: \"127.0.0.1:9464\" }", Some("http.listen")),
            ("flows: elsewhere", None),
        ] {
            assert_eq!(needs_restart(&old, &read(text)).first().copied(), setting, "{text}");
        }
    }
}
