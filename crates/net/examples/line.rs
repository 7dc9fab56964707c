//! The line test alone on a free port of loopback, for measurements: `cargo run --release --example line [-- PORT]`.
#[path = "../tests/common/mod.rs"]
mod common;

use common::{Setup, side};
use passline_net::NetEvent;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let setup = Setup { ports: 10_000..=32_767, max_calls: 10_000, seed: 1, tcp: true, shared: false };
        let mut server = side(setup).await;
        println!("{} pid {}", server.handle.local_udp()[0], std::process::id());
        loop {
            // Queries are answered inside; records and the rest are of no interest here.
            if let NetEvent::Stopped = server.wait().await {
                return;
            }
        }
    });
}
