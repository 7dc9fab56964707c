//! Metrics and health over HTTP: read-only, without secrets, numbers or names of people, and without asking who asks.
mod health;

use crate::{
    exit::Failure,
    metrics::{Metrics, Reading},
};
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use passline_connectors::{Authority, Store};
use passline_net::{Command, Handle, Load};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, oneshot},
    time::timeout,
};

/// Askers at one time.
const ASKERS: usize = 32;
/// Whoever has not asked and taken the answer by then is cut off.
const PATIENCE: Duration = Duration::from_secs(15);
/// The control task must answer by then.
const ALIVE: Duration = Duration::from_secs(2);
/// The content type of OpenMetrics 1.0.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What answers are made of.
pub struct Watch {
    /// The net.
    pub handle: Handle,
    /// What was counted.
    pub metrics: Arc<Metrics>,
    /// The identity side.
    pub authority: Authority,
    /// The directory.
    pub store: Store,
}

impl Watch {
    /// How much is going on; `None` if the control task does not answer.
    async fn load(&self) -> Option<Box<Load>> {
        let (asked, answer) = oneshot::channel();
        self.handle.send(Command::Load(asked));
        timeout(ALIVE, answer).await.ok()?.ok()
    }
}

/// Takes the address.
///
/// # Errors
/// If it is not to be had; the sentence names address and remedy.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::machine(format!(
            "cannot listen for HTTP on {address}: {error}; set http.listen to a free address of this machine, or leave it out"
        ))
    })
}

/// Answers until the runtime ends.
pub async fn serve(listener: TcpListener, watch: Watch) {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .with_state(Arc::new(watch));
    let askers = Arc::new(Semaphore::new(ASKERS));
    loop {
        let Ok(turn) = askers.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file handles: others may free some.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let router = router.clone();
        tokio::spawn(async move {
            let _turn = turn;
            // Whoever is too slow, or leaves, has no answer.
            let _ = timeout(PATIENCE, converse(stream, router)).await;
        });
    }
}

/// One question, one answer.
async fn converse(stream: TcpStream, router: Router) -> hyper::Result<()> {
    let service = TowerToHyperService::new(router);
    http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service).await
}

async fn metrics(State(watch): State<Arc<Watch>>) -> Response {
    let reading = Reading {
        load: watch.load().await,
        shards: watch.handle.shards().to_vec(),
        targets: watch.authority.targets_seen(),
        started: watch.metrics.started(),
    };
    match watch.metrics.page(reading) {
        Ok(page) => ([(CONTENT_TYPE, OPENMETRICS)], page).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
