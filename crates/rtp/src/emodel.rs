//! How good a call sounds, estimated from what the network did to it: the E-model (ITU-T G.107, 06/2015).
//!
//! All that cannot be seen from the network (loudness, noise, echo of the telephones) has the default values of G.107,
//! table 3. Everything is on the narrowband scale, on which an undisturbed call has R = 93.2: our playout is 8 kHz, and
//! so numbers of all codecs can be compared.

/// Basic signal-to-noise ratio with the defaults (G.107 §7.2).
const RO: f32 = 94.7688;
/// Simultaneous impairments with the defaults (G.107 §7.3).
const IS: f32 = 1.4136;
/// Talker echo loudness rating, in dB (G.107 table 3).
const TELR: f32 = 65.0;
/// Weighted echo path loss, in dB (G.107 table 3).
const WEPL: f32 = 110.0;

/// What a codec costs (G.107 §7.5, values of G.113).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Impairment {
    /// Equipment impairment factor without loss, Ie.
    pub ie: f32,
    /// Robustness against loss, Bpl.
    pub bpl: f32,
}

impl Impairment {
    /// G.711 whose losses are concealed (G.113 appendix I).
    pub const G711_CONCEALED: Impairment = Impairment { ie: 0.0, bpl: 25.1 };
    /// G.711 with silence in the place of losses (G.113 appendix I).
    pub const G711_BARE: Impairment = Impairment { ie: 0.0, bpl: 4.3 };

    /// What this codec costs where losses are concealed as our playout does it: in the decoded samples, in the same
    /// way for all codecs, hence one Bpl.
    ///
    /// G.722 has Ie,wb = 13 on the wideband scale (G.113 table IV.1); 35.8 of that scale are the missing upper band
    /// itself (G.107.1), so nothing is left on the narrowband one. The ITU has no values for Opus and none for L16,
    /// which loses nothing; both stand for an undisturbed narrowband call here.
    pub fn of(_codec: crate::Codec) -> Impairment {
        Impairment::G711_CONCEALED
    }
}

/// What the network does in one direction.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PathConditions {
    /// Packets that did not come or came too late, as a share 0-1.
    pub loss: f32,
    /// Mean length of the losses in a row by what it would be were they independent (BurstR); at least 1.
    pub burst_ratio: f32,
    /// Mouth to ear, in ms.
    pub delay_ms: f32,
}

/// What a listener would say.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Opinion {
    /// Transmission rating factor, 0 to 93.2.
    pub r: f32,
    /// Mean opinion score of the conversation, 1 to 4.5 (MOS-CQ).
    pub mos_cq: f32,
    /// Mean opinion score of listening alone, 1 to 4.5: delay does not count (MOS-LQ).
    pub mos_lq: f32,
}

impl Opinion {
    /// The estimate for a codec under these conditions.
    pub fn estimate(codec: Impairment, path: PathConditions) -> Opinion {
        let without_delay = RO - IS - listener_echo(0.0) - equipment(codec, path);
        let r = (without_delay + listener_echo(0.0) - delay(path.delay_ms)).clamp(0.0, 100.0);
        Opinion { r, mos_cq: mos(r), mos_lq: mos(without_delay) }
    }
}

/// The mean opinion score of a rating (G.107 annex B).
pub fn mos(r: f32) -> f32 {
    match r {
        r if r <= 0.0 => 1.0,
        r if r >= 100.0 => 4.5,
        // The polynomial dips below 1 for ratings under 6.5.
        r => (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0),
    }
}

/// Effective equipment impairment factor, Ie-eff (G.107 §7.5).
fn equipment(codec: Impairment, path: PathConditions) -> f32 {
    let percent = path.loss.clamp(0.0, 1.0) * 100.0;
    codec.ie + (95.0 - codec.ie) * percent / (percent / path.burst_ratio.max(1.0) + codec.bpl)
}

/// Delay impairment factor, Id: talker echo, listener echo, sheer delay (G.107 §7.4).
fn delay(one_way_ms: f32) -> f32 {
    // Nobody waits a minute, and the terms below stay within what a float holds.
    let time = one_way_ms.clamp(0.0, 60_000.0);
    talker_echo(time) + listener_echo(2.0 * time) + sheer_delay(time)
}

/// Idte, for a sidetone within the usual bounds.
fn talker_echo(time: f32) -> f32 {
    if time < 1.0 {
        return 0.0;
    }
    let terv =
        TELR - 40.0 * ((1.0 + time / 10.0) / (1.0 + time / 150.0)).log10() + 6.0 * (-0.3 * time * time).exp();
    let difference = RO - (80.0 + 2.5 * (terv - 14.0));
    (difference / 2.0 + (difference * difference / 4.0 + 100.0).sqrt() - 1.0) * (1.0 - (-time).exp())
}

/// Idle.
fn listener_echo(round_trip: f32) -> f32 {
    let difference = RO - 10.5 * (WEPL + 7.0) * (round_trip + 1.0).powf(-0.25);
    difference / 2.0 + (difference * difference / 4.0 + 169.0).sqrt()
}

/// Idd.
fn sheer_delay(time: f32) -> f32 {
    if time <= 100.0 {
        return 0.0;
    }
    let x = (time / 100.0).log2();
    let root = |x: f32| (1.0 + x.powi(6)).powf(1.0 / 6.0);
    25.0 * (root(x) - 3.0 * root(x / 3.0) + 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLEAR: PathConditions = PathConditions { loss: 0.0, burst_ratio: 1.0, delay_ms: 0.0 };

    fn near(found: f32, wanted: f32, by: f32) {
        assert!((found - wanted).abs() <= by, "{found} instead of {wanted}");
    }

    #[test]
    fn an_undisturbed_call_has_the_rating_of_the_recommendation() {
        // G.107 §7.7: all defaults give R = 93.2; annex B: MOS 4.41.
        let opinion = Opinion::estimate(Impairment::G711_CONCEALED, CLEAR);
        near(opinion.r, 93.2, 0.05);
        near(opinion.mos_cq, 4.41, 0.005);
        near(opinion.mos_lq, 4.41, 0.005);
    }

    #[test]
    fn ratings_become_scores_as_in_annex_b() {
        // G.107 table B.1, and both ends.
        for (r, score) in
            [(90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58), (-3.0, 1.0), (100.0, 4.5)]
        {
            near(mos(r), score, 0.01);
        }
        for step in 0..1000 {
            assert!(mos(step as f32 / 10.0 + 0.1) >= mos(step as f32 / 10.0), "at {step}");
        }
    }

    #[test]
    fn loss_costs_what_g113_says() {
        // G.113 appendix I, G.729A with VAD (Ie 11, Bpl 19): measured Ie by percentage of random loss.
        let g729a = Impairment { ie: 11.0, bpl: 19.0 };
        for (percent, ie) in [
            (0.0, 11.0),
            (0.5, 13.0),
            (1.0, 15.0),
            (1.5, 17.0),
            (2.0, 19.0),
            (4.0, 26.0),
            (8.0, 36.0),
            (16.0, 49.0),
        ] {
            near(equipment(g729a, PathConditions { loss: percent / 100.0, ..CLEAR }), ie, 0.6);
        }
        // G.711 at 2 %: without concealment hardly to be understood, with it hardly to be heard.
        let at = |codec| Opinion::estimate(codec, PathConditions { loss: 0.02, ..CLEAR });
        near(at(Impairment::G711_BARE).r, 93.2 - 30.2, 0.1);
        near(at(Impairment::G711_CONCEALED).r, 93.2 - 7.0, 0.1);
    }

    #[test]
    fn bursts_cost_more_than_the_same_loss_spread_out() {
        let at = |burst_ratio| {
            let path = PathConditions { loss: 0.05, burst_ratio, delay_ms: 0.0 };
            Opinion::estimate(Impairment::G711_CONCEALED, path).r
        };
        assert!(at(1.0) > at(2.0) && at(2.0) > at(8.0));
        // A ratio below 1 is measuring noise.
        assert_eq!(at(1.0), at(0.2));
    }

    #[test]
    fn delay_counts_in_conversation_only() {
        // Idd by hand from G.107 §7.4 (Ta in ms, sT = 1, mT = 100).
        for (time, idd) in [(100.0, 0.0), (150.0, 0.16), (200.0, 3.04), (250.0, 8.92), (400.0, 24.07)] {
            near(sheer_delay(time), idd, 0.02);
        }
        // G.107 Idte by hand: TERV 32.2 at 100 ms, 28.9 at 150 ms.
        near(talker_echo(100.0), 1.96, 0.02);
        near(talker_echo(150.0), 2.81, 0.02);
        let at =
            |delay_ms| Opinion::estimate(Impairment::G711_CONCEALED, PathConditions { delay_ms, ..CLEAR });
        let mut before = at(0.0);
        for step in 1..200 {
            let opinion = at(step as f32 * 10.0);
            assert!(opinion.r <= before.r && opinion.mos_lq == before.mos_lq, "{step}");
            before = opinion;
        }
        assert!(at(400.0).r < 65.0 && at(150.0).r > 88.0);
    }

    #[test]
    fn nonsense_stays_within_the_scale() {
        for value in [f32::NAN, f32::INFINITY, -1.0, 1e30] {
            let path = PathConditions { loss: value, burst_ratio: value, delay_ms: value };
            let opinion = Opinion::estimate(Impairment::G711_CONCEALED, path);
            for score in [opinion.mos_cq, opinion.mos_lq] {
                assert!((1.0..=4.5).contains(&score) || score.is_nan() && value.is_nan(), "{value}: {score}");
            }
        }
    }
}
