//! Who asks, and what there is: what the page needs before it shows anything.

use http::StatusCode;
use serde_json::{Map, Value, json};
use surgewall_core::config::data::Passport;
use surgewall_core::incident::Verdict;
use surgewall_core::principal::{Caller, Class, Principal, matches_model};
use surgewall_core::refusal::Refusal;
use surgewall_store::identity::email_of;
use surgewall_store::people::{People as _, Pick, StoreError};

use super::call::{Answered, Asked};
use super::{notices, reply};
use crate::door::Door;
use crate::gate;
use crate::pipeline::reserve::may_use;
use crate::sync::lock;

/// The account, the models it may use, and what goes on.
pub(super) async fn show(asked: &Asked<'_>) -> Answered {
    let policy = &asked.arrival.policy;
    let listen = &policy.config.listen;
    let plain_http = listen.tls.is_none() && listen.behind_proxy.is_empty();
    let me = json!({
        "account": account(asked).await?,
        "models": models(asked),
        "gate": gate::view(asked.door),
        "incident": incident(asked),
        "notices": notices::unread(asked).await?,
        "job_detached_s_max": policy.config.accounts.job_detached_s_max,
        "plain_http": plain_http,
    });
    reply::json(StatusCode::OK, &me)
}

/// Who is signed in, if anybody is.
async fn account(asked: &Asked<'_>) -> Result<Value, Refusal> {
    let Some(account) = &asked.asker.account else { return Ok(Value::Null) };
    let failed = |error: StoreError| Refusal::Internal { why: error.to_string() };
    let pick = Pick::Ids(vec![account.id.as_u128()]);
    let rows = asked.door.people.accounts(&pick).await.map_err(failed)?;
    let email = rows.first().map(|row| email_of(&asked.door.vault, row));
    let email = email.transpose().map_err(failed)?.flatten();
    Ok(json!({
        "id": account.public_id, "email": email, "role": account.role, "class": account.class,
    }))
}

/// The models that the caller may use, each with what is known of it.
fn models(asked: &Asked<'_>) -> Vec<Value> {
    let passports = &asked.arrival.policy.config.passport;
    let usable = usable(asked).into_iter();
    usable.map(|id| json!({"id": id, "passport": passport(passports, &id)})).collect()
}

/// The models that the caller may use.
pub(super) fn usable(asked: &Asked<'_>) -> Vec<String> {
    let account = asked.asker.account.as_ref();
    let caller = account.map_or(Caller::Anonymous, |account| Caller::Account(account.clone()));
    let class = account.map_or(Class::Anonymous, |account| account.class);
    let network = asked.arrival.network;
    let principal = Principal { class, network, caller, delegated: None, young_user: false };
    let policy = &asked.arrival.policy;
    policy.pools.models().into_iter().filter(|id| may_use(policy, &principal, id)).collect()
}

/// What the operator says of `model`: the longest name that fits.
fn passport(passports: &[Passport], model: &str) -> Value {
    let fitting = passports.iter().filter(|passport| matches_model(&passport.model, model));
    let Some(found) = fitting.max_by_key(|passport| passport.model.len()) else {
        return Value::Null;
    };
    let statements = found.statements().into_iter();
    Value::Object(
        statements.map(|(name, said)| (name.to_owned(), json!(said))).collect::<Map<_, _>>(),
    )
}

/// The incident that is open, in words that the verdict carries.
fn incident(asked: &Asked<'_>) -> Value {
    let recent = lock(&asked.door.recent);
    let judged = recent.judged();
    let (Some(id), Some(since)) = (&judged.incident, recent.incident_at()) else {
        return Value::Null;
    };
    json!({"id": id, "words": words(judged.verdict), "since": since})
}

/// The words of the incident that is open, if one is.
pub(super) fn incident_words(door: &Door) -> Option<&'static str> {
    let recent = lock(&door.recent);
    let judged = recent.judged();
    judged.incident.as_ref().map(|_| words(judged.verdict))
}

const fn words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Normal => "The service recovers from an incident.",
        Verdict::KnownDemand => {
            "More people use the service than it can serve at once. Answers take longer; nothing is lost."
        }
        Verdict::UnknownDemand => {
            "The service gets far more requests from strangers than usual. Signed-in people go first; answers may take longer."
        }
        Verdict::UpstreamSlow => {
            "The model's servers are slower than usual. Answers take longer; nothing is lost."
        }
        Verdict::RetryStorm => {
            "Many requests are sent again and again, and the service is busy with them. Answers take longer."
        }
        Verdict::Unclear => {
            "The service is under more load than usual. We do not know the cause yet."
        }
    }
}
