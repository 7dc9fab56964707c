//! A caller cannot tell by the clock whether an ID exists.
mod common;

use common::{
    keyed,
    world::{World, quick},
};
use passline_connectors::AuthorityConfig;
use passline_identity::Proof;
use std::time::{Duration, Instant};

#[tokio::test]
async fn known_and_unknown_ids_take_the_same_time() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        AuthorityConfig { number_tries: 0, free_tries: 1_000_000, status_limit_ms: 20_000, ..quick() };
    let world = World::with(folder.path(), config, None).await;
    // The second unknown ID shows how much two of the same kind differ.
    let ids = ["100123", "424242", "434343"];
    let mut times: [Vec<Duration>; 3] = Default::default();
    for round in 0..100 {
        // In turn, so that whatever else the machine does falls on all alike.
        for (id, times) in ids.iter().zip(&mut times) {
            let call = format!("{round}-{id}");
            let start = Instant::now();
            let subject = world.identify(&call, id).await;
            let questions = world.questions(&call, subject).await;
            world.pin(&call, subject, "0000").await;
            let answers = questions.iter().map(|question| (question.clone(), keyed("0000"))).collect();
            world.verify(&call, subject, Proof::Answers(answers)).await;
            times.push(start.elapsed());
            world.authority.call_ended(&call.as_str().into()).await;
        }
    }
    // The chance that a random known call is slower than a random unknown one; 0.04 is one standard deviation.
    let slower = |one: &[Duration], other: &[Duration]| {
        let pairs = one.iter().flat_map(|one| other.iter().map(move |other| (one > other) as u32 as f64));
        pairs.sum::<f64>() / (one.len() * other.len()) as f64
    };
    let chances = [slower(&times[0], &times[1]), slower(&times[0], &times[2]), slower(&times[1], &times[2])];
    println!("{chances:?}");
    assert!(chances[..2].iter().all(|chance| (chance - 0.5).abs() < 0.2), "{chances:?}");
}
