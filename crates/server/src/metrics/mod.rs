//! What is counted for Prometheus: the calls as they end and what was asked of the identity side, kept here; the rest is
//! read where it is known when somebody looks (see `reading.rs`).
//!
//! Labels come from the configuration or from fixed lists, never from callers: no numbers, names or addresses.
mod calls;
mod process;
mod reading;
mod write;

pub use calls::Calls;
pub use reading::Reading;

use passline_identity::{Answer, Query};
use prometheus_client::{
    encoding::text::{encode_eof, encode_registry},
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};
use std::{
    fmt,
    time::{Duration, SystemTime},
};

/// One label.
type Label = (&'static str, String);
/// A counter for each set of so many labels.
type Counters<const N: usize> = Family<[Label; N], Counter>;
/// A histogram for each value of one label.
type Histograms = Family<[Label; 1], Histogram, fn() -> Histogram>;

/// Everything that is counted while it happens.
pub struct Metrics {
    registry: Registry,
    started: SystemTime,
    /// Calls.
    pub calls: Calls,
    queries: Counters<2>,
    query_seconds: Histograms,
}

impl Metrics {
    /// Nothing counted yet. What can be counted is there from the start, at zero, so that a graph shows the first of its
    /// kind; `trunks` are the names of the configuration.
    pub fn new<'a>(trunks: impl IntoIterator<Item = &'a str>) -> Self {
        let mut registry = Registry::default();
        let calls = Calls::register(&mut registry, trunks);
        let queries = Counters::default();
        let query_seconds = Histograms::new_with_constructor(|| {
            Histogram::new([0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
        });
        registry.register(
            "passline_queries",
            "What flows asked of the identity side, by question and by what came of it",
            queries.clone(),
        );
        registry.register(
            "passline_query_seconds",
            "Time until the identity side answered a flow, slow hashes and targets included",
            query_seconds.clone(),
        );
        for query in Query::NAMES {
            drop(queries.get_or_create(&[("query", query.into()), ("result", "ok".into())]));
            drop(query_seconds.get_or_create(&[("query", query.into())]));
        }
        Self { registry, started: SystemTime::now(), calls, queries, query_seconds }
    }

    /// A flow's question was answered.
    pub fn answered(&self, query: &'static str, answer: &Answer, took: Duration) {
        let result = match answer {
            Answer::Failed(fault) => fault.name(),
            _ => "ok",
        };
        self.queries.get_or_create(&[("query", query.into()), ("result", result.into())]).inc();
        self.query_seconds.get_or_create(&[("query", query.into())]).observe(took.as_secs_f64());
    }

    /// When the process began to count.
    pub fn started(&self) -> SystemTime {
        self.started
    }

    /// The page of metrics: OpenMetrics 1.0, which Prometheus reads as it does its own older format.
    ///
    /// # Errors
    /// None: it is written to memory.
    pub fn page(&self, reading: Reading) -> Result<String, fmt::Error> {
        let mut page = String::with_capacity(32 * 1024);
        let mut now = Registry::default();
        now.register_collector(Box::new(reading));
        encode_registry(&mut page, &self.registry)?;
        encode_registry(&mut page, &now)?;
        encode_eof(&mut page)?;
        Ok(page)
    }
}
