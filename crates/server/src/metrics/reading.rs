//! What is read where it is known, each time that somebody looks: the net, the engine, the shards, the targets, the
//! process.
use super::process::Process;
use super::write::{Labels, classes, counter, gauge, histogram};
use passline_connectors::{TARGET_BOUNDS_MS, TargetSeen};
use passline_engine::{RegistrationStatus, TrunkState};
use passline_net::{Load, ShardMetrics, TICK_BOUNDS_US, TimesSeen, UNOPENED};
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use std::{
    fmt::{Error, Result},
    sync::{Arc, atomic::AtomicU64, atomic::Ordering::Relaxed},
    time::{SystemTime, UNIX_EPOCH},
};

/// Everything that was read at one time.
#[derive(Debug)]
pub struct Reading {
    /// Calls, counters and queues; `None` if the control task did not answer.
    pub load: Option<Box<Load>>,
    /// The shards' own counters.
    pub shards: Vec<Arc<ShardMetrics>>,
    /// The targets.
    pub targets: Vec<TargetSeen>,
    /// When the process began to count.
    pub started: SystemTime,
}

impl Collector for Reading {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> std::result::Result<(), Error> {
        let to = &mut to;
        let up = u64::from(self.load.is_some());
        gauge(to, "passline_control_up", "Whether the control task answers", [(vec![], up as f64)])?;
        if let Some(load) = &self.load {
            calls(to, load)?;
            signalling(to, load)?;
            trunks(to, load)?;
        }
        self.media(to)?;
        self.queues(to)?;
        self.directory(to)?;
        self.process(to)
    }
}

fn calls(to: &mut DescriptorEncoder<'_>, load: &Load) -> Result {
    let census = &load.census;
    gauge(
        to,
        "passline_calls_active",
        "Calls that are not over, by direction",
        [("incoming", census.incoming), ("outgoing", census.outgoing)]
            .map(|(direction, count)| (vec![("direction", direction)], count as f64)),
    )?;
    gauge(
        to,
        "passline_media_busy_ratio",
        "Share of the time in which the least busy media shard was at work, in the last half second",
        [(vec![], f64::from(census.busy) / 100.0)],
    )?;
    gauge(
        to,
        "passline_media_busy_limit_ratio",
        "From this share on, new calls are refused; above 1: never",
        [(vec![], f64::from(census.busy_limit) / 100.0)],
    )?;
    gauge(to, "passline_calls_limit", "Most calls at one time", [(vec![], census.max_calls as f64)])?;
    gauge(
        to,
        "passline_calls_active_codec",
        "Calls that are not over, by codec",
        census.codecs.iter().map(|(codec, count)| (vec![("codec", *codec)], *count as f64)),
    )?;
    gauge(
        to,
        "passline_draining",
        "Whether no new calls are taken because the server is ending",
        [(vec![], f64::from(u8::from(census.draining)))],
    )?;
    gauge(
        to,
        "passline_rtp_port_pairs_idle",
        "Pairs of RTP ports that no call uses",
        [(vec![], census.idle_ports as f64)],
    )
}

fn signalling(to: &mut DescriptorEncoder<'_>, load: &Load) -> Result {
    let (census, counters) = (&load.census, &load.counters);
    for (name, help, value) in [
        ("passline_sip_transactions", "SIP transactions under way", census.transactions),
        ("passline_sip_dialogs", "SIP dialogs, those included that begin or end", census.dialogs),
        ("passline_dns_lookups", "Look-ups of SIP hosts under way", census.lookups),
        ("passline_registrations", "Places at which devices are registered", census.bindings),
        ("passline_sip_connections", "TCP and TLS connections", counters.connections),
        ("passline_guard_sources", "Sources that the guard remembers", counters.sources),
        ("passline_guard_bans", "Sources that are banned now", counters.bans),
    ] {
        gauge(to, name, help, [(vec![], value as f64)])?;
    }
    let single = |value| [(vec![], value)];
    counter(
        to,
        "passline_sip_datagrams",
        "SIP datagrams received from admitted sources",
        single(counters.datagrams),
    )?;
    counter(
        to,
        "passline_tls_handshakes_failed",
        "TLS handshakes that failed or took too long",
        single(counters.failed_handshakes),
    )?;
    counter(
        to,
        "passline_sip_connections_refused",
        "TCP and TLS connections closed at once because there were as many as are allowed",
        single(counters.refused_connections),
    )?;
    counter(
        to,
        "passline_sip_dropped",
        "SIP messages dropped, by reason: source banned or over its rate, all strangers together over theirs, no SIP, \
         control task busy, response larger than what an unverified source had sent",
        [
            ("banned", counters.banned),
            ("over_rate", counters.over_rate),
            ("over_all", counters.over_all),
            ("garbage", counters.garbage),
            ("busy", counters.busy),
            ("unsent", counters.unsent),
        ]
        .map(|(reason, count)| (vec![("reason", reason)], count)),
    )
}

fn trunks(to: &mut DescriptorEncoder<'_>, load: &Load) -> Result {
    let trunks = &load.census.trunks;
    let named = |name| -> Labels<'_> { vec![("trunk", name)] };
    gauge(
        to,
        "passline_trunk_calls_active",
        "Calls that are not over, by trunk",
        trunks.iter().map(|trunk| (named(&trunk.name), trunk.calls as f64)),
    )?;
    let up = |state: &TrunkState| match state {
        TrunkState::Unknown => None,
        TrunkState::Up { .. } => Some(1.0),
        TrunkState::Down(_) => Some(0.0),
    };
    gauge(
        to,
        "passline_trunk_up",
        "Whether a trunk answers OPTIONS; only trunks that are asked",
        trunks.iter().filter_map(|trunk| Some((named(&trunk.name), up(&trunk.state)?))),
    )?;
    let registered = |status: &RegistrationStatus| {
        f64::from(u8::from(matches!(status, RegistrationStatus::Registered { .. })))
    };
    gauge(
        to,
        "passline_trunk_registered",
        "Whether we are registered at a trunk; only trunks where we should be",
        trunks
            .iter()
            .filter_map(|trunk| Some((named(&trunk.name), registered(trunk.registration.as_ref()?)))),
    )
}

impl Reading {
    fn media(&self, to: &mut DescriptorEncoder<'_>) -> Result {
        let names: Vec<String> = (0..self.shards.len()).map(|shard| shard.to_string()).collect();
        let shards = || names.iter().map(|name| vec![("shard", name.as_str())]).zip(&self.shards);
        histogram(
            to,
            "passline_media_tick_seconds",
            "How long a tick took that plays, hears and sends one phase of the frame for its calls",
            shards().map(|(labels, shard)| distribution(labels, shard.tick_duration.seen())),
        )?;
        histogram(
            to,
            "passline_media_tick_lateness_seconds",
            "How long after its time a tick began",
            shards().map(|(labels, shard)| distribution(labels, shard.tick_lateness.seen())),
        )?;
        type Of = fn(&ShardMetrics) -> &AtomicU64;
        let counters: [(&str, &str, Of); 8] = [
            (
                "passline_media_ticks_skipped",
                "Ticks left out after a stall too long to be caught up",
                |shard| &shard.skipped_ticks,
            ),
            ("passline_rtp_received_packets", "RTP and RTCP packets taken", |shard| &shard.received),
            ("passline_rtp_received_octets", "UDP payload of these", |shard| &shard.received_octets),
            ("passline_rtp_sent_packets", "RTP and RTCP packets sent", |shard| &shard.sent),
            ("passline_rtp_sent_octets", "UDP payload of these", |shard| &shard.sent_octets),
            ("passline_rtp_unsent_packets", "RTP and RTCP packets that the system did not take", |shard| {
                &shard.unsent
            }),
            ("passline_rtp_foreign_packets", "Packets from elsewhere than the peer, dropped", |shard| {
                &shard.foreign
            }),
            (
                "passline_rtp_bad_packets",
                "Packets from the peer that were no RTP or RTCP of the call",
                |shard| &shard.bad,
            ),
        ];
        for (name, help, of) in counters {
            counter(to, name, help, shards().map(|(labels, shard)| (labels, of(shard).load(Relaxed))))?;
        }
        let unopened = shards().flat_map(|(labels, shard)| {
            UNOPENED.iter().zip(&shard.unopened).map(move |(reason, count)| {
                let mut labels = labels.clone();
                labels.push(("reason", reason));
                (labels, count.load(Relaxed))
            })
        });
        counter(
            to,
            "passline_srtp_unopened_packets",
            "RTP and RTCP packets of encrypted calls that were dropped, by reason: not authentic, here before, too old to \
             tell, no key left for them",
            unopened,
        )?;
        gauge(
            to,
            "passline_media_streams",
            "RTP streams open",
            shards().map(|(labels, shard)| (labels, shard.streams.load(Relaxed) as f64)),
        )
    }

    fn queues(&self, to: &mut DescriptorEncoder<'_>) -> Result {
        let names: Vec<String> = (0..self.shards.len()).map(|shard| format!("shard_{shard}")).collect();
        let shards = names.iter().zip(&self.shards).map(|(name, shard)| (name.as_str(), shard.waiting()));
        let queues = self.load.as_ref().map(|load| load.queues).into_iter().flat_map(|queues| {
            [
                ("commands", queues.commands),
                ("sip", queues.sip),
                ("strangers", queues.strangers),
                ("media", queues.media),
                ("events", queues.events),
            ]
            .map(|(queue, length)| (queue, length as u64))
        });
        gauge(
            to,
            "passline_queue_length",
            "What waits: commands and SIP messages for the control task, news of it for the server, commands for shards",
            queues.chain(shards).map(|(queue, length)| (vec![("queue", queue)], length as f64)),
        )
    }

    fn directory(&self, to: &mut DescriptorEncoder<'_>) -> Result {
        let targets = &self.targets;
        histogram(
            to,
            "passline_target_seconds",
            "Time that a target system took for an operation",
            targets.iter().map(|target| {
                let classes = classes(&TARGET_BOUNDS_MS, 1e3, &target.times);
                (vec![("target", target.target.as_str())], target.sum_us as f64 / 1e6, classes)
            }),
        )?;
        counter(
            to,
            "passline_target_operations",
            "Operations on a target system, by result; unavailable: not even tried, or not reached",
            targets.iter().flat_map(|target| {
                let named = move |(result, count): &(&'static str, u64)| {
                    (vec![("target", target.target.as_str()), ("result", *result)], *count)
                };
                target.results.iter().map(named)
            }),
        )?;
        gauge(
            to,
            "passline_target_available",
            "Whether a target system is asked: 0 while it is left alone after failures",
            targets.iter().map(|target| {
                (vec![("target", target.target.as_str())], f64::from(u8::from(target.available)))
            }),
        )
    }

    fn process(&self, to: &mut DescriptorEncoder<'_>) -> Result {
        let process = Process::now();
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        for (name, help, value) in [
            ("process_resident_memory_bytes", "Resident memory size in bytes", process.resident as f64),
            ("process_virtual_memory_bytes", "Virtual memory size in bytes", process.virtual_memory as f64),
            ("process_open_fds", "Number of open file descriptors", process.descriptors as f64),
            ("process_max_fds", "Maximum number of open file descriptors", process.most_descriptors as f64),
            ("process_threads", "Number of threads", process.threads as f64),
            ("process_start_time_seconds", "Start of the process since the Unix epoch", started),
        ] {
            gauge(to, name, help, [(vec![], value)])?;
        }
        let mut cpu = to.encode_descriptor(
            "process_cpu_seconds",
            "User and system CPU time spent",
            None,
            prometheus_client::metrics::MetricType::Counter,
        )?;
        cpu.encode_counter::<[(&str, &str); 0], _, f64>(&(process.cpu_us as f64 / 1e6), None)?;
        gauge(
            to,
            "passline_build_info",
            "Version of this build; always 1",
            [(vec![("version", env!("CARGO_PKG_VERSION"))], 1.0)],
        )
    }
}

fn distribution(labels: Labels<'_>, seen: TimesSeen) -> super::write::Distribution<'_> {
    (labels, seen.sum_ns as f64 / 1e9, classes(&TICK_BOUNDS_US, 1e6, &seen.classes))
}
