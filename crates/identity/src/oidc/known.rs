//! What is known of a provider: its metadata and keys, fetched when they are
//! needed and kept for a while.

use std::sync::Arc;

use http::Uri;
use openidconnect::{IssuerUrl, JsonWebKeySet};
use surgewall_core::clock::Timestamp;
use tokio::sync::Mutex;

use super::fetch::{Http, is_private};
use super::types::Metadata;
use super::{FAILURE_KEPT, KEYS_AGE_MIN, METADATA_MAX_AGE, OidcError};

/// Characters of an error text that are kept for the log.
const WHY_CHARS_MAX: usize = 300;

/// What is known, and how to know it.
pub(super) struct Known {
    issuer: IssuerUrl,
    http: Http,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    current: Option<Arc<Current>>,
    failed: Option<(Timestamp, OidcError)>,
}

/// Metadata with keys.
pub(super) struct Current {
    pub(super) metadata: Metadata,
    fetched_at: Timestamp,
    keys_at: Timestamp,
}

impl Known {
    pub(super) fn new(issuer: IssuerUrl, http: Http) -> Self {
        Self { issuer, http, state: Mutex::default() }
    }

    /// The provider's metadata and keys, fetched where they are old. One fetches
    /// while the others wait, and a failure is everybody's for a while.
    pub(super) async fn current(&self, now: Timestamp) -> Result<Arc<Current>, OidcError> {
        let mut state = self.state.lock().await;
        if let Some(current) = &state.current
            && now.since(current.fetched_at) < METADATA_MAX_AGE
        {
            return Ok(Arc::clone(current));
        }
        if let Some((at, error)) = &state.failed
            && now.since(*at) < FAILURE_KEPT
        {
            return Err(error.clone());
        }
        match self.discover().await {
            Ok(metadata) => {
                let current = Arc::new(Current { metadata, fetched_at: now, keys_at: now });
                *state = State { current: Some(Arc::clone(&current)), failed: None };
                Ok(current)
            }
            Err(error) => {
                state.failed = Some((now, error.clone()));
                Err(error)
            }
        }
    }

    async fn discover(&self) -> Result<Metadata, OidcError> {
        let unreachable = |why: String| OidcError::Unreachable(clean(&why));
        let metadata = Metadata::discover_async(self.issuer.clone(), &self.http)
            .await
            .map_err(|error| unreachable(chain(&error)))?;
        let authorize = metadata.authorization_endpoint().as_str();
        check_private("the authorization endpoint", authorize).map_err(unreachable)?;
        Ok(metadata)
    }

    /// `old` with its keys fetched anew, or as somebody else fetched them; at most once in [`KEYS_AGE_MIN`].
    pub(super) async fn with_new_keys(
        &self,
        old: Arc<Current>,
        now: Timestamp,
    ) -> Result<Arc<Current>, OidcError> {
        let mut state = self.state.lock().await;
        let present = state.current.clone().unwrap_or(old);
        if now.since(present.keys_at) < KEYS_AGE_MIN {
            return Ok(present);
        }
        let keys = JsonWebKeySet::fetch_async(present.metadata.jwks_uri(), &self.http)
            .await
            .map_err(|error| OidcError::Unreachable(clean(&chain(&error))))?;
        let metadata = present.metadata.clone().set_jwks(keys);
        let fetched_at = present.fetched_at;
        let current = Arc::new(Current { metadata, fetched_at, keys_at: now });
        state.current = Some(Arc::clone(&current));
        Ok(current)
    }
}

/// `why` if somebody on the way can read what goes to `address`.
pub(super) fn check_private(what: &str, address: &str) -> Result<(), String> {
    let is_ok = address.parse::<Uri>().is_ok_and(|uri| is_private(&uri));
    if is_ok { Ok(()) } else { Err(format!("{what} is not https: {address}")) }
}

/// An error and its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// One line of bounded length: a provider's words must not write lines of a log.
pub(super) fn clean(text: &str) -> String {
    let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    line.take(WHY_CHARS_MAX).collect()
}
