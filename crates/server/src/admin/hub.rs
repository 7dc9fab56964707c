//! What goes on, for those who follow it.
use super::view::News;
use tokio::sync::broadcast;

/// News that a slow follower may be behind; older ones are lost to it.
const BACKLOG: usize = 1024;

/// Hands news to followers.
pub struct Hub(broadcast::Sender<News>);

impl Default for Hub {
    fn default() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }
}

impl Hub {
    /// Something happened.
    pub fn tell(&self, news: News) {
        // Nobody may be listening.
        let _ = self.0.send(news);
    }

    /// What happens from now on.
    pub fn follow(&self) -> broadcast::Receiver<News> {
        self.0.subscribe()
    }
}
