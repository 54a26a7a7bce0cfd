//! The acts on a running door: a burst with clients that cut, a killed door,
//! credentials that must not work.

use std::time::Duration;

use serde_json::{Value, json};
use surgewall_core::apikey;
use surgewall_testkit::client::{Client, Flow};
use tokio::time::{sleep, timeout};

use super::Size;
use super::stage::Stage;
use crate::fault::Fault;

/// What an act showed: what was seen, or why it does not hold.
pub(super) type Played = Result<String, Fault>;

/// Tokens that each answer has.
const TOKENS: u64 = 24;
/// For reservations to settle after the last client is gone.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn ask(text: &str) -> Value {
    json!({"model": "double", "stream": true, "max_tokens": 64,
           "messages": [{"role": "user", "content": text}]})
}

pub(super) fn held(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(Fault::new(otherwise())) }
}

/// A burst on the API; every third client cuts its connection in mid-stream.
pub(super) async fn burst(stage: &mut Stage, size: Size) -> Played {
    let client = stage.stranger().with_key(&stage.key("burst", &[]).await?);
    let (mut whole, mut cut) = (0, 0);
    for (complete, tokens) in fire(&client, size.burst).await {
        if complete {
            whole += 1;
            held(tokens == TOKENS, || format!("a whole answer has {tokens} of {TOKENS} tokens"))?;
        } else {
            cut += 1;
        }
    }
    let third = size.burst / 3;
    held(whole >= size.burst - third - 1, || {
        format!("only {whole} of {} answers came whole", size.burst)
    })?;
    settled(stage).await?;
    sums(stage)?;
    known(stage)?;
    Ok(format!(
        "{whole} answers whole, {cut} cut by their clients; every token reserved was settled or refunded"
    ))
}

/// `count` streams at once; for each, whether it came whole and its tokens.
async fn fire(client: &Client, count: usize) -> Vec<(bool, u64)> {
    let body = ask(&format!("say {TOKENS}\n!double rate=400"));
    let one = |nth: usize| {
        let body = &body;
        async move {
            let mut events = 0;
            let leaves = nth % 3 == 2;
            let streamed = client.stream("/v1/chat/completions", body, |_| {
                events += 1;
                if leaves && events > 5 { Flow::Leave } else { Flow::Continue }
            });
            streamed.await.map_or((false, 0), |answer| (answer.is_done(), answer.tokens()))
        }
    };
    futures_util::future::join_all((0..count).map(one)).await
}

/// `kill -9` in the middle of a burst, and a new start, again and again.
pub(super) async fn kill(stage: &mut Stage, size: Size) -> Played {
    let key = stage.key("kill", &[]).await?;
    for nth in 0..size.kills {
        let client = stage.stranger().with_key(&key);
        let early = Duration::from_millis(30 + 70 * (nth as u64 % 5));
        // The door dies under its clients: what they see is not the question.
        let (_, killed) = tokio::join!(timeout(Duration::from_secs(5), fire(&client, 40)), async {
            sleep(early).await;
            stage.kill().await
        });
        killed?;
        stage.start().await?;
        settled(stage).await?;
        sums(stage)?;
        known(stage)?;
    }
    Ok(format!(
        "killed {} times: every request that the model server saw is in the ledger, nothing stayed open",
        size.kills
    ))
}

/// Waits until nothing is open.
async fn settled(stage: &Stage) -> Result<(), Fault> {
    let wait = async {
        while stage.verify()?.open != Some(0) {
            sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    };
    timeout(SETTLE_TIMEOUT, wait)
        .await
        .unwrap_or_else(|_| Err(Fault::new("reservations stay open")))
}

/// reserved = settled + refunded, and the chain holds.
pub(super) fn sums(stage: &Stage) -> Result<(), Fault> {
    let seen = stage.verify()?;
    held(seen.findings.is_empty(), || format!("the ledger does not verify: {:?}", seen.findings))?;
    let (reserved, settled, refunded) = (seen.reserved, seen.settled, seen.refunded);
    let agrees = reserved.is_some() && reserved == settled.zip(refunded).map(|(s, r)| s + r);
    held(agrees, || format!("reserved {reserved:?}, settled {settled:?}, refunded {refunded:?}"))
}

/// Every request that the double saw is in the ledger.
fn known(stage: &Stage) -> Result<(), Fault> {
    let admitted = stage.admitted()?;
    let seen = stage.double.requests();
    let unknown =
        seen.iter().filter_map(|seen| seen.request_id.as_ref()).find(|id| !admitted.contains(*id));
    held(unknown.is_none(), || {
        format!("the model server saw {unknown:?}, which the ledger does not know")
    })
}

/// Credentials that must not work, and what a refused request must not reach.
pub(super) async fn credentials(stage: &mut Stage) -> Played {
    let good = stage.key("good", &[]).await?;
    let narrow = stage.key("narrow", &["--routes", "embeddings"]).await?;
    let revoked = stage.key("gone", &[]).await?;
    stage.surgewall(&["admin", "key", "revoke", "gone"]).await?;
    let unknown = apikey::generate();
    let (stranger, seen_before) = (stage.stranger(), stage.double.calls());
    let cases = [
        ("no key", stranger.clone(), 401, "credential_missing"),
        ("an unknown key", stranger.clone().with_key(unknown.expose()), 401, "invalid_api_key"),
        (
            "a mistyped key",
            stranger.clone().with_key(&good[..good.len() - 1]),
            401,
            "invalid_api_key",
        ),
        ("a revoked key", stranger.clone().with_key(&revoked), 401, "invalid_api_key"),
        ("a key of other routes", stranger.clone().with_key(&narrow), 403, "not_permitted"),
        (
            "two keys",
            stranger.clone().with_key(&good).with_header("x-api-key", &narrow),
            400,
            "credentials_conflict",
        ),
    ];
    let count = cases.len();
    for (what, client, status, code) in cases {
        let answer = client.post("/v1/chat/completions", &ask("say 1")).await?;
        let told = answer.json()["error"]["code"].as_str().unwrap_or("").to_owned();
        held(answer.status == status && told == code, || {
            format!("{what}: {} {told}", answer.status)
        })?;
    }
    let reached = stage.double.calls() - seen_before;
    held(reached == 0, || format!("{reached} refused requests reached the model server"))?;
    let answer = stranger.with_key(&good).post("/v1/chat/completions", &ask("say 1")).await?;
    held(answer.status == 200, || format!("a good key got {}", answer.status))?;
    Ok(format!("{count} ways in refused, none reached the model server; a good key works"))
}
