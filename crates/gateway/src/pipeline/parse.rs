//! The body, bounded in bytes and time, and what can be read from it.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use surgewall_core::config::limits::Limits;
use surgewall_core::data::ClassSet;
use surgewall_core::limits::DELEGATED_NAME_BYTES_MAX;
use surgewall_core::principal::{Class, DelegatedUser, Principal};
use surgewall_core::refusal::Refusal;
use surgewall_shield::affinity::Prefix;
use surgewall_store::people::sealed::delegated_user;
use surgewall_wire::request::{Facts, RequestLimits, Texts};
use surgewall_wire::{Endpoint, request};
use tokio::sync::OwnedSemaphorePermit;

use super::Arrival;
use super::guard_input::Search;
use super::redaction::TakenOut;
use super::throttle::{AnonymousSlot, Throttled};
use crate::door::Door;
use crate::listen::HTTP1_BUFFER_BYTES;
use crate::routes::table::Handler;
use crate::upstream::passed_on;

/// Bytes of a body that may be one piece of its connection's read buffer; a
/// longer one was put together from pieces.
const PIECE_BYTES_MAX: usize = HTTP1_BUFFER_BYTES;

/// The permit of this step.
pub struct Parsed {
    /// Who asks, with the end user that a delegating key named.
    pub principal: Principal,
    /// The anonymous network's place.
    pub slot: Option<AnonymousSlot>,
    /// What is asked for.
    pub asked: Asked,
}

/// What is asked for.
pub struct Asked {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The body, byte by byte as it came.
    pub body: Bytes,
    /// What the body says.
    pub facts: Facts,
    /// The classes of data that were found in its texts.
    pub classes: ClassSet,
    /// Its beginning, as the servers of its pool may have it in their caches.
    pub prefix: Prefix,
    /// The request's headers that go on to an upstream of the same dialect.
    pub headers: HeaderMap,
    /// What is taken out before an upstream is given it.
    pub taken_out: TakenOut,
    /// The body's room in memory, given back when an upstream has it.
    _room: OwnedSemaphorePermit,
}

impl Asked {
    /// Copies what is a piece of the connection's read buffer, so that a
    /// request that waits does not keep all of it.
    pub fn detach(&mut self) {
        if self.body.len() <= PIECE_BYTES_MAX {
            self.body = Bytes::copy_from_slice(&self.body);
        }
        for value in self.headers.values_mut() {
            if let Ok(copy) = HeaderValue::from_bytes(value.as_bytes()) {
                *value = copy;
            }
        }
    }
}

/// Reads and understands the body.
///
/// # Errors
/// It is too large, too slow, or not what the dialect asks for.
pub async fn parse(
    door: &Door,
    arrival: &Arrival,
    throttled: Throttled,
    headers: &HeaderMap,
    body: Body,
) -> Result<Parsed, Refusal> {
    let limits = &arrival.policy.config.limits;
    let Handler::Api(endpoint) = arrival.route.handler else {
        return Err(Refusal::Internal {
            why: "a route without an endpoint in the pipeline".into(),
        });
    };
    let mut room = room(door, limits, headers).await?;
    let body = read_body(limits, headers, body).await?;
    give_back(&mut room, body.len());
    let bounds = RequestLimits {
        json_depth_max: limits.json_depth_max,
        messages_max: limits.messages_max,
        tools_max: limits.tools_max,
    };
    let (facts, classes) = read(arrival, endpoint, &body, &bounds)?;
    let Throttled { mut principal, slot } = throttled;
    principal.delegated = delegated(door, arrival, &principal, &facts, headers)?;
    classify_user(door, arrival, &mut principal);
    let (prefix, headers) = (Prefix::default(), passed_on(headers));
    let taken_out = TakenOut::default();
    let asked = Asked { endpoint, body, facts, classes, prefix, headers, taken_out, _room: room };
    Ok(Parsed { principal, slot, asked })
}

/// Reads the body, and searches its texts for classes of data on the same way.
///
/// # Errors
/// It is not what the dialect asks for, or cannot be searched to its end.
fn read(
    arrival: &Arrival,
    endpoint: Endpoint,
    body: &[u8],
    limits: &RequestLimits,
) -> Result<(Facts, ClassSet), Refusal> {
    let dialect = arrival.route.dialect;
    // Where tokens are only counted nothing leaves the door.
    let rules = arrival.policy.classifier.as_ref().filter(|_| endpoint != Endpoint::CountTokens);
    let Some(rules) = rules else {
        return Ok((request::read(dialect, endpoint, body, limits)?, ClassSet::EMPTY));
    };
    let classes = |text: &str| rules.classes(text);
    let mut search = Search::new(&classes);
    let mut each = |text: &str| search.add(text);
    let mut texts = Texts::new(&mut each);
    let facts = request::read_beside(dialect, endpoint, body, limits, &mut [&mut texts])?;
    if texts.is_broken() {
        let reason = "an escape in it stands for no character".into();
        return Err(Refusal::InvalidRequest { reason, param: None });
    }
    Ok((facts, search.finish()))
}

/// Room in memory for the body, in KiB, before a byte of it is read: by what
/// the head declares, or for the longest body where it declares nothing.
///
/// # Errors
/// There was none in time.
pub(crate) async fn room(
    door: &Door,
    limits: &Limits,
    headers: &HeaderMap,
) -> Result<OwnedSemaphorePermit, Refusal> {
    let bytes = declared(headers).unwrap_or(limits.body_bytes_max).min(limits.body_bytes_max);
    let kib = u32::try_from(bytes.div_ceil(1 << 10).max(1)).unwrap_or(u32::MAX);
    let wait = Duration::from_secs(limits.body_read_s);
    match tokio::time::timeout(wait, door.bodies.clone().acquire_many_owned(kib)).await {
        Ok(Ok(room)) => Ok(room),
        Ok(Err(_)) => Err(Refusal::Draining),
        Err(_) => Err(Refusal::BodyTimeout { seconds: limits.body_read_s }),
    }
}

/// Gives back the room that a body of `bytes` does not need: it may wait for
/// its turn for minutes, and few that declare no length would fill the room.
fn give_back(room: &mut OwnedSemaphorePermit, bytes: usize) {
    let needed = bytes.div_ceil(1 << 10).max(1);
    drop(room.split(room.num_permits().saturating_sub(needed)));
}

fn declared(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The whole body, within the limits on bytes and time.
///
/// # Errors
/// It is too large, too slow, or broke off.
pub async fn read_body(limits: &Limits, headers: &HeaderMap, body: Body) -> Result<Bytes, Refusal> {
    let bytes_max = limits.body_bytes_max;
    let too_large = || Refusal::BodyTooLarge { bytes_max };
    if declared(headers).is_some_and(|length| length > bytes_max) {
        return Err(too_large());
    }
    let limited = Limited::new(body, usize::try_from(bytes_max).unwrap_or(usize::MAX));
    #[expect(clippy::disallowed_methods, reason = "limited above by limits.body_bytes_max")]
    let collected = limited.collect();
    match tokio::time::timeout(Duration::from_secs(limits.body_read_s), collected).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Refusal::BodyBroken),
        Err(_) => Err(Refusal::BodyTimeout { seconds: limits.body_read_s }),
    }
}

/// The end user that a delegating key names, in the configured header or in
/// the body. Other principals' names are the upstream's business, not ours.
fn delegated(
    door: &Door,
    arrival: &Arrival,
    principal: &Principal,
    facts: &Facts,
    headers: &HeaderMap,
) -> Result<Option<DelegatedUser>, Refusal> {
    let Some(key) = principal.key().filter(|key| key.delegates) else { return Ok(None) };
    let header = arrival.policy.config.accounts.delegated_header.as_deref();
    let named = match header.and_then(|name| headers.get(name)) {
        Some(value) => Some(value.to_str().map_err(|_| too_long_a_name())?),
        None => facts.delegated.as_deref(),
    };
    let Some(name) = named.filter(|name| !name.is_empty()) else { return Ok(None) };
    if name.len() > DELEGATED_NAME_BYTES_MAX {
        return Err(too_long_a_name());
    }
    let user = delegated_user(&door.vault, key.id, name);
    door.directory.touch_user(key.id, user, arrival.at);
    Ok(Some(user))
}

/// An end user that its key names for the first days has a class of its own.
fn classify_user(door: &Door, arrival: &Arrival, principal: &mut Principal) {
    let (Some(key), Some(user)) = (principal.key(), principal.delegated) else { return };
    let known_since = door.directory.user_known_since(user).unwrap_or(arrival.at);
    let days = arrival.policy.config.admission.young_days;
    if key.is_young_user(known_since, days, arrival.at) {
        (principal.class, principal.young_user) = (Class::New, true);
    }
}

fn too_long_a_name() -> Refusal {
    Refusal::InvalidRequest {
        reason: format!(
            "the end user's name is longer than {DELEGATED_NAME_BYTES_MAX} bytes or not text"
        ),
        param: Some("user".into()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    #[test]
    fn a_body_keeps_no_more_room_than_it_needs() {
        for (taken, bytes, kept) in
            [(8_192, 0, 1), (8_192, 1, 1), (8_192, 1_025, 2), (2, 2_048, 2), (1, 4_096, 1)]
        {
            let all = Arc::new(Semaphore::new(8_192));
            let mut room = all.clone().try_acquire_many_owned(taken).unwrap();
            give_back(&mut room, bytes);
            assert_eq!(
                (room.num_permits(), all.available_permits()),
                (kept, 8_192 - kept),
                "{bytes}"
            );
        }
    }
}
