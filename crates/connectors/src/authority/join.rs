//! Several futures at the same time.
use std::{future::Future, pin::Pin, task::Poll};

enum Slot<'a, T> {
    Running(Pin<Box<dyn Future<Output = T> + Send + 'a>>),
    Done(Option<T>),
}

/// The results in the order of the futures. For a handful: each wake-up polls all that still run.
pub(super) async fn join<'a, T: Unpin>(
    futures: impl Iterator<Item = impl Future<Output = T> + Send + 'a>,
) -> Vec<T> {
    let mut slots: Vec<Slot<'a, T>> = futures.map(|future| Slot::Running(Box::pin(future))).collect();
    std::future::poll_fn(move |context| {
        let mut waiting = false;
        for slot in &mut slots {
            if let Slot::Running(future) = slot {
                match future.as_mut().poll(context) {
                    Poll::Ready(result) => *slot = Slot::Done(Some(result)),
                    Poll::Pending => waiting = true,
                }
            }
        }
        if waiting {
            return Poll::Pending;
        }
        Poll::Ready(
            slots
                .iter_mut()
                .filter_map(|slot| if let Slot::Done(done) = slot { done.take() } else { None })
                .collect(),
        )
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn they_run_at_the_same_time_and_stay_in_order() {
        let start = tokio::time::Instant::now();
        let waits = [3, 1, 2].map(|seconds| async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            seconds
        });
        assert_eq!(join(waits.into_iter()).await, [3, 1, 2]);
        assert_eq!(start.elapsed().as_secs(), 3);
    }
}
