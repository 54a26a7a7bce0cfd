//! Sign-ups are flooded while existing users go on: the gate moves by itself, says
//! so where everybody sees it, and comes back when it is calm.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use surgewall_core::clock::Clock;
use surgewall_core::gate::{GateStep, MovedBy};
use surgewall_gateway::control::{Answer, Question};
use surgewall_store::gate::{GateReply, GateRequest, GateShown};
use surgewall_testkit::client::Client;
use tokio::time::{sleep, timeout};

use super::Size;
use super::acts::{Played, ask, held};
use super::stage::Stage;
use crate::fault::Fault;

/// Clients of the flood, each of a network of its own.
const CLIENTS: u32 = 200;
/// Between two sign-ups of one client.
const PACE: Duration = Duration::from_millis(400);
/// Between two looks of an existing user at the door.
const VISIT: Duration = Duration::from_millis(250);
/// For the gate to come back: a minute until nothing of the flood counts, and its steps.
const BACK_TIMEOUT: Duration = Duration::from_secs(180);
/// In the configuration: quick steps, so that the act is short.
const GATE: &str = "[gate]\nstart = \"open\"\nsign_ups_per_min = 60\nup_after_s = 2\ndown_after_s = 3\nincidents = false\n";
/// The existing user's address and password.
pub(super) const MEMBER: (&str, &str) = ("ada@example.org", "a long enough sentence");

/// A door after the flood.
pub(super) struct Flooded {
    stage: Stage,
    told: String,
}

/// Floods sign-up for `size.flood_s` seconds.
///
/// # Errors
/// An existing user was held up, or the gate did not move or did not say so.
pub(super) async fn flood(size: Size) -> Result<Flooded, Fault> {
    let stage = Stage::signing_up(GATE).await?;
    let key = stage.key("existing", &[]).await?;
    Browser::signed_in(&stage, "192.0.2.1", MEMBER).await?;
    let over = AtomicBool::new(false);
    let strangers = (0..CLIENTS).map(|nth| stranger(&stage, nth, &over));
    let strangers = futures_util::future::join_all(strangers);
    let (offered, existing, said) = tokio::join!(strangers, existing(&stage, &key, &over), async {
        let said = narrowed(&stage, Duration::from_secs(size.flood_s)).await;
        over.store(true, Ordering::Relaxed);
        said
    });
    let (step, (visits, slowest_ms)) = (said?, existing?);
    let mut answers: BTreeMap<u16, u64> = BTreeMap::new();
    for (status, count) in offered.into_iter().flatten() {
        *answers.entry(status).or_default() += count;
    }
    let offered: u64 = answers.values().sum();
    held(offered > 0, || "no sign-up was answered".to_owned())?;
    let told = format!(
        "{offered} sign-ups by {CLIENTS} clients moved the gate to `{step}`, and the sign-up page said so; {visits} sign-ins and calls of existing users all went on, the slowest sign-in in {slowest_ms} ms"
    );
    Ok(Flooded { stage, told })
}

impl Flooded {
    /// Waits until the gate is back where it was.
    ///
    /// # Errors
    /// It does not come back.
    pub(super) async fn back(self) -> Played {
        let calm = async {
            while shown(&self.stage).await?.view.step != GateStep::Open {
                sleep(VISIT).await;
            }
            Ok(())
        };
        let calm = timeout(BACK_TIMEOUT, calm).await;
        calm.unwrap_or_else(|_| Err(Fault::new("the gate did not come back when it was calm")))?;
        Ok(format!("{}; it came back by itself", self.told))
    }
}

/// One client that signs up again and again; its answers by status.
async fn stranger(stage: &Stage, nth: u32, over: &AtomicBool) -> BTreeMap<u16, u64> {
    let client = from(stage, &format!("10.{}.{}.1", nth / 256, nth % 256));
    let mut answers = BTreeMap::new();
    let mut tries = 0_u32;
    while !over.load(Ordering::Relaxed) {
        let email = format!("bot{nth}-{tries}@flood{nth}.example");
        tries += 1;
        if let Ok((status, _)) = send(&client, "/sign-up", (&email, MEMBER.1)).await {
            *answers.entry(status).or_default() += 1;
        }
        sleep(PACE).await;
    }
    answers
}

/// Somebody who has an account signs in and calls a model, until it is over. How
/// often, and how long the slowest sign-in took, in milliseconds.
async fn existing(stage: &Stage, key: &str, over: &AtomicBool) -> Result<(u64, u128), Fault> {
    let (browser, caller) = (from(stage, "192.0.2.1"), stage.stranger().with_key(key));
    let (mut visits, mut slowest) = (0, Duration::ZERO);
    while !over.load(Ordering::Relaxed) {
        let begun = Clock::System.monotonic();
        let (status, cookie) = send(&browser, "/sign-in", MEMBER).await?;
        slowest = slowest.max(Clock::System.monotonic().saturating_duration_since(begun));
        held(status == 303 && cookie.is_some(), || {
            format!("a sign-in got {status} during the flood")
        })?;
        let answer = caller.post("/v1/chat/completions", &ask("say 2")).await?;
        held(answer.status == 200, || format!("a call got {} during the flood", answer.status))?;
        visits += 2;
        sleep(VISIT).await;
    }
    Ok((visits, slowest.as_millis()))
}

/// How far the gate narrowed in `time`, as it and the sign-up page say.
async fn narrowed(stage: &Stage, time: Duration) -> Result<GateStep, Fault> {
    sleep(time).await;
    let view = shown(stage).await?.view;
    held(view.by == MovedBy::Pressure && view.step > GateStep::Open, || {
        format!("the gate stands at `{}` after {} s of the flood", view.step, time.as_secs())
    })?;
    let page = from(stage, "198.51.100.1").get("/sign-up").await?;
    let said = page.text().contains(&view.reason);
    held(page.status == 200 && said, || "the sign-up page does not say it".to_owned())?;
    Ok(view.step)
}

async fn shown(stage: &Stage) -> Result<GateShown, Fault> {
    match stage.ask(&Question::Gate(GateRequest::Show)).await? {
        Answer::Gate(GateReply::Shown(shown)) => Ok(shown),
        _ => Err(Fault::new("the drill's door does not say how its gate stands")),
    }
}

/// A browser of somebody who has signed in.
pub(super) struct Browser(Client);

impl Browser {
    /// Makes the account and signs in, from `address`.
    ///
    /// # Errors
    /// The door does not let them.
    pub(super) async fn signed_in(
        stage: &Stage,
        address: &str,
        who: (&str, &str),
    ) -> Result<Self, Fault> {
        let client = from(stage, address);
        let (status, _) = send(&client, "/sign-up", who).await?;
        held(status == 303, || format!("a sign-up got {status}"))?;
        let (status, cookie) = send(&client, "/sign-in", who).await?;
        let cookie = cookie.filter(|_| status == 303);
        let cookie = cookie.ok_or_else(|| Fault::new(format!("a sign-in got {status}")))?;
        Ok(Self(client.with_header("cookie", &cookie)))
    }

    /// It sends the cookie with each request.
    pub(super) fn client(self) -> Client {
        self.0
    }
}

/// A browser at `address`, on a page of the door.
fn from(stage: &Stage, address: &str) -> Client {
    let client = stage.stranger().with_header("x-forwarded-for", address);
    let client = client.with_header("sec-fetch-site", "same-origin");
    client.with_header("content-type", "application/x-www-form-urlencoded")
}

/// Sends the form with an address and a password: the status, and the cookie that came.
async fn send(
    client: &Client,
    path: &str,
    (email, password): (&str, &str),
) -> Result<(u16, Option<String>), Fault> {
    let (email, password) = (email.replace('@', "%40"), password.replace(' ', "+"));
    let form = format!("email={email}&password={password}");
    let answer = client.form(path, &form).await?;
    let cookie = answer.header("set-cookie").and_then(|set| set.split(';').next());
    Ok((answer.status, cookie.map(str::to_owned)))
}
