//! The answering side of the admin socket.
use super::{Hub, LONGEST_REQUEST, Reply, Request, act, view::News};
use crate::{capture::Capture, exit::Failure, reload::Reloader};
use nix::sys::stat::{Mode, umask};
use passline_net::Handle;
use std::{
    os::unix::net::UnixStream as Probe,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Semaphore, broadcast::error::RecvError},
};

/// Askers at one time.
const ASKERS: usize = 32;
/// A request must have come by then, and an asker must take an answer by then.
const PATIENCE: Duration = Duration::from_secs(10);

/// What answers are made of.
pub struct Desk {
    /// Running calls and news.
    pub hub: Arc<Hub>,
    /// Reads configuration, flows and prompts again.
    pub reloader: Arc<Reloader>,
    /// The net.
    pub handle: Handle,
    /// SIP messages on demand.
    pub capture: Arc<Capture>,
}

/// The socket's file; removed when dropped.
pub struct Socket(PathBuf);

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Listens until the runtime ends.
///
/// # Errors
/// If another server answers there already, or the socket cannot be made.
pub fn start(path: PathBuf, desk: Desk) -> Result<Socket, Failure> {
    let listener = bind(&path)?;
    let desk = Arc::new(desk);
    let askers = Arc::new(Semaphore::new(ASKERS));
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // Out of file handles: others may free some.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let Ok(turn) = askers.clone().try_acquire_owned() else { continue };
            let desk = desk.clone();
            tokio::spawn(async move {
                let _turn = turn;
                if let Err(error) = answer(stream, &desk).await {
                    tracing::debug!(%error, "an asker left the admin socket");
                }
            });
        }
    });
    Ok(Socket(path))
}

fn bind(path: &Path) -> Result<UnixListener, Failure> {
    if Probe::connect(path).is_ok() {
        return Err(Failure::machine(format!(
            "another server is running with this data folder (it answers at {}); end it first, or set another `data`",
            path.display()
        )));
    }
    // Nobody answers there: left behind by a server that was killed.
    let _ = std::fs::remove_file(path);
    // Private from its first moment on.
    let before = umask(Mode::from_bits_truncate(0o177));
    let bound = UnixListener::bind(path);
    umask(before);
    bound.map_err(|error| {
        Failure::machine(format!(
            "{}: the admin socket cannot be made: {error}; `data` must be a folder of the server's own on a local disk, \
             with a path of less than 90 characters",
            path.display()
        ))
    })
}

async fn answer(stream: UnixStream, desk: &Desk) -> std::io::Result<()> {
    // The mode of the socket says so already; some systems have ignored it.
    let asker = stream.peer_cred()?.uid();
    if asker != 0 && asker != nix::unistd::geteuid().as_raw() {
        return Ok(());
    }
    let (read, write) = stream.into_split();
    let mut read = BufReader::new(read);
    let mut to = Out(write);
    let mut line = String::new();
    let asked = (&mut read).take(LONGEST_REQUEST);
    let mut asked = BufReader::new(asked);
    match tokio::time::timeout(PATIENCE, asked.read_line(&mut line)).await {
        Ok(read) => read?,
        Err(_) => return Ok(()),
    };
    let request = match serde_json::from_str(&line) {
        Ok(request) => request,
        Err(error) => return to.say(&Reply::Refused(format!("not understood: {error}"))).await,
    };
    match carry_out(request, desk, &mut read, &mut to).await? {
        Ok(()) => to.say(&Reply::Done).await,
        Err(why) => to.say(&Reply::Refused(why)).await,
    }
}

/// The way back.
struct Out(OwnedWriteHalf);

impl Out {
    async fn say(&mut self, reply: &Reply) -> std::io::Result<()> {
        let mut line = serde_json::to_string(reply).map_err(std::io::Error::other)?;
        line.push('\n');
        tokio::time::timeout(PATIENCE, self.0.write_all(line.as_bytes()))
            .await
            .map_err(|_| std::io::Error::other("the asker does not read"))?
    }

    async fn item(&mut self, item: &impl serde::Serialize) -> std::io::Result<()> {
        let value = serde_json::to_value(item).map_err(std::io::Error::other)?;
        self.say(&Reply::Item(value)).await
    }
}

/// Says everything but whether it went well, which is the result.
async fn carry_out(
    request: Request,
    desk: &Desk,
    asker: &mut BufReader<OwnedReadHalf>,
    to: &mut Out,
) -> std::io::Result<Result<(), String>> {
    let items = match request {
        Request::Calls { follow } => {
            // Subscribed first, so that no call falls between.
            let news = desk.hub.follow();
            match act::calls(&desk.handle).await {
                Ok(calls) => {
                    for call in calls {
                        to.item(&News::Started(Box::new(call))).await?;
                    }
                }
                Err(why) => return Ok(Err(why)),
            }
            if follow {
                self::follow(news, asker, to).await?;
            }
            return Ok(Ok(()));
        }
        Request::Call { call } => act::call(&desk.handle, &call).await.map(one),
        Request::Reload => {
            desk.reloader.reload().await.map(|report| list(&report)).map_err(|faults| faults.join("\n"))
        }
        Request::Bans => act::bans(&desk.handle).await.map(|bans| list(&bans)),
        Request::Ban { source, lasts_s } => act::ban(desk, source, lasts_s).await.map(one),
        Request::Unban { source } => act::unban(&desk.handle, source).await.map(one),
        Request::Trunks => act::trunks(&desk.handle).await.map(|trunks| list(&trunks)),
        Request::TrunkTest { name } => act::trunk_test(desk, &name).await.map(|findings| list(&findings)),
        Request::Devices => act::devices(&desk.handle).await.map(|devices| list(&devices)),
        Request::CaptureStart { file, octets, lasts_s, media } => {
            act::capture_start(desk, &file, octets, lasts_s, media).map(one)
        }
        Request::CaptureStop => act::capture_stop(desk).map(one),
    };
    match items {
        Ok(items) => {
            for item in items {
                to.say(&Reply::Item(item.map_err(std::io::Error::other)?)).await?;
            }
            Ok(Ok(()))
        }
        Err(why) => Ok(Err(why)),
    }
}

type Items = Vec<serde_json::Result<serde_json::Value>>;

fn one(item: impl serde::Serialize) -> Items {
    vec![serde_json::to_value(item)]
}

fn list<T: serde::Serialize>(items: &[T]) -> Items {
    items.iter().map(serde_json::to_value).collect()
}

/// Until the asker leaves.
async fn follow(
    mut news: tokio::sync::broadcast::Receiver<News>,
    asker: &mut BufReader<OwnedReadHalf>,
    to: &mut Out,
) -> std::io::Result<()> {
    let mut left = [0; 1];
    loop {
        tokio::select! {
            read = asker.read(&mut left) => if read? == 0 { return Ok(()) },
            next = news.recv() => match next {
                Ok(news) => to.item(&news).await?,
                Err(RecvError::Lagged(lost)) => {
                    let text = format!("{lost} events are not shown, since they came faster than they were read");
                    let at = crate::record::utc(std::time::SystemTime::now());
                    to.item(&News::Status { at, text }).await?;
                }
                Err(RecvError::Closed) => return Ok(()),
            },
        }
    }
}
