//! Keeps call records: those of one moment in one transaction, so that a disk's slowness holds up no call.
use crate::admin::{Hub, view::News};
use passline_connectors::{CallRecord, Store};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Records that may wait; then the calls' events wait, and nothing is lost.
const WAITING: usize = 4096;
/// Records in one transaction.
const AT_ONCE: usize = 256;

/// Where records go.
pub struct Keeper {
    records: mpsc::Sender<CallRecord>,
    task: JoinHandle<()>,
}

impl Keeper {
    /// Keeps the last `keep` records in the store, and tells of each once it is there.
    pub fn start(store: Store, hub: Arc<Hub>, keep: u32) -> Keeper {
        let (records, mut waiting) = mpsc::channel::<CallRecord>(WAITING);
        let task = tokio::spawn(async move {
            let mut batch = Vec::with_capacity(AT_ONCE);
            while waiting.recv_many(&mut batch, AT_ONCE).await > 0 {
                if let Err(error) = store.add_calls(&batch, keep).await {
                    for record in &batch {
                        tracing::error!(call = record.call, %error, "the call record could not be kept");
                    }
                }
                for record in batch.drain(..) {
                    hub.tell(News::Ended(Box::new(record)));
                }
            }
        });
        Keeper { records, task }
    }

    /// Takes a record; waits where very many do.
    pub async fn keep(&self, record: CallRecord) {
        // The task ends only with us.
        let _ = self.records.send(record).await;
    }

    /// Waits until all are kept.
    pub async fn finish(self) {
        drop(self.records);
        let _ = self.task.await;
    }
}
