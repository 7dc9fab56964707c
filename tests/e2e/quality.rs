//! Quality numbers: what goes over the wire as extended reports, and what the call record makes of a call.
use passline_rtp::{Stream, StreamConfig};
use passline_tests::process::run;
use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

/// Two streams that exchange RTCP: one sends audio, with every tenth packet lost, one only listens. What left them.
fn reports() -> Vec<Vec<u8>> {
    let start = Instant::now();
    let end = |ssrc, cname: &str| {
        Stream::new(start, StreamConfig { ssrc, cname: cname.into(), ..StreamConfig::default() })
    };
    let (mut speaker, mut listener) = (end(1, "speaker@here"), end(2, "listener@there"));
    let (mut out, mut sent) = ([0; 1500], Vec::new());
    let way = Duration::from_millis(25);
    for frame in 0..1500u32 {
        let now = start + Duration::from_millis(20) * frame;
        let length = speaker.send_audio(now, &[0xFF; 160], &mut out);
        if frame % 10 != 9 {
            listener.receive_rtp(now + way, &out[..length]).ok();
        }
        let ntp = (0xE000_0000_0000_0000 + (u128::from(frame) << 32) / 50) as u64;
        for (from, to) in [(0, 1), (1, 0)] {
            let ends = [&mut speaker, &mut listener];
            if let Some(length) = ends[from].send_rtcp(now, ntp, &mut out) {
                sent.push(out[..length].to_vec());
                assert!(ends[to].receive_rtcp(now + way, &out[..length]).valid);
            }
        }
    }
    let (here, there) = (speaker.statistics(), listener.statistics());
    // Both measured the round trip, each by its own kind of report, and agree on how it sounds.
    for seen in [&here, &there] {
        let round_trip = seen.round_trip_ms.expect("measured");
        assert!((round_trip - 50.0).abs() < 1.0, "{round_trip} ms");
    }
    let (told, heard) = (here.remote_voip.expect("told"), there.opinion.expect("heard"));
    assert!((told.mos_cq.expect("told") - heard.mos_cq).abs() < 0.1, "{told:?} {heard:?}");
    assert!((heard.mos_lq - here.remote_opinion.expect("reported").mos_lq).abs() < 0.1);
    assert!((3.0..4.0).contains(&heard.mos_cq), "a tenth lost is heard: {heard:?}");
    sent
}

/// The datagrams as a capture file of IPv4 packets between the ports 5005.
fn pcap(file: &Path, datagrams: &[Vec<u8>]) {
    let mut octets = Vec::new();
    // Magic number, version 2.4, no zone, no accuracy, snap length, LINKTYPE_RAW.
    for word in [0xA1B2_C3D4_u32, 2 | 4 << 16, 0, 0, 65_535, 101] {
        octets.extend(word.to_le_bytes());
    }
    for (second, datagram) in (1_700_000_000_u32..).zip(datagrams) {
        let length = (28 + datagram.len()) as u32;
        for word in [second, 0, length, length] {
            octets.extend(word.to_le_bytes());
        }
        octets.extend([0x45, 0, 0, length as u8, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
        octets.extend([5005u16, 5005, length as u16 - 20, 0].map(u16::to_be_bytes).concat());
        octets.extend(datagram);
    }
    std::fs::write(file, octets).expect("the test's own folder");
}

#[test]
fn tshark_reads_our_extended_reports() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rtcp.pcap");
    let reports = reports();
    assert!(reports.len() > 6 && reports.iter().all(|report| report.len() < 220), "{}", reports.len());
    pcap(&file, &reports);
    let shark = |filter: &str, fields: &[&str]| {
        let mut command = Command::new("tshark");
        command.arg("-r").arg(&file).args(["-d", "udp.port==5005,rtcp", "-Y", filter, "-T", "fields"]);
        fields.iter().for_each(|field| {
            command.args(["-e", field]);
        });
        let out = run(&mut command, "", Duration::from_secs(60)).good();
        out.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect::<Vec<Vec<_>>>()
    };
    assert_eq!(shark("_ws.malformed || _ws.expert", &["frame.number"]), Vec::<Vec<String>>::new());
    assert_eq!(
        shark("rtcp.xr.bt", &["frame.number"]).len(),
        reports.len() - 1,
        "all but the speaker's first"
    );
    // The listener: clock and metrics of the speaker. Nothing is known before the first audio.
    let metrics = [
        "rtcp.xr.bt",
        "rtcp.xr.voipmetrics.gmin",
        "rtcp.xr.voipmetrics.rfactor",
        "rtcp.xr.voipmetrics.moscq",
        "rtcp.xr.voipmetrics.extrfactor",
        "rtcp.xr.voipmetrics.rtdelay",
        "rtcp.xr.voipmetrics.jbnominal",
    ];
    let told = shark("rtcp.xr.bt == 7 && rtcp.senderssrc == 2", &metrics);
    let last = told.last().expect("metrics");
    assert_eq!((last[0].as_str(), last[1].as_str()), ("4,7", "16"), "{last:?}");
    let number = |text: &str| text.parse::<f32>().expect("a number");
    assert!((60.0..80.0).contains(&number(&last[2])) && (3.0..4.0).contains(&number(&last[3])), "{last:?}");
    assert!(!last[4].is_empty() && (49.0..=51.0).contains(&number(&last[5])), "{last:?}");
    assert!((20.0..=40.0).contains(&number(&last[6])), "{last:?}");
    // The speaker: how long ago the listener's clock came.
    let delays = shark("rtcp.xr.bt == 5 && rtcp.senderssrc == 1", &["rtcp.xr.dlrr", "rtcp.xr.lrr"]);
    assert!(delays.iter().all(|line| number(&line[0]) > 0.0 && number(&line[1]) > 0.0), "{delays:?}");
    assert!(!delays.is_empty());
}
