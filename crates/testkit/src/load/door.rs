//! The door that a crowd comes to: its address, and who has which key.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::target::Target;
use crate::traffic::{Arrival, Class, Population};

/// Says how often an SDK of OpenAI or Anthropic has tried before.
const RETRY_COUNT: HeaderName = HeaderName::from_static("x-stainless-retry-count");
/// What proxies tell of the client's address.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// What fills a prompt up to its size: words, as people write them.
const FILLER: &str = "The quick brown fox jumps over the lazy dog, and the report says why. ";
/// Bytes of a prompt for each of its tokens, as the double counts them.
const TOKEN_BYTES: usize = 4;
/// Bytes of a prompt at most.
const PROMPT_BYTES_MAX: usize = 4 << 20;

/// Keys by the name of a population or of a class: the former is looked up first.
pub type Keys = BTreeMap<String, Vec<String>>;

/// Why a crowd cannot come.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DoorError {
    /// Nobody could ask with a key of this population.
    #[error("there is no key for `{0}`, nor for its class")]
    NoKey(&'static str),
    /// A key that HTTP does not take.
    #[error("a key of `{0}` has signs that HTTP does not take")]
    Key(&'static str),
}

/// A door, or a peer of it.
pub struct Door {
    pub(super) target: Target,
    model: String,
    /// For each population its keys; empty for those without.
    keys: Vec<Vec<HeaderValue>>,
    forwards: bool,
    filler: String,
}

impl Door {
    /// The door at `target`. Everybody but the anonymous needs a key; where there
    /// are fewer than principals, some share one. With `forwards`, all come from
    /// one address and say their network in `x-forwarded-for`, as behind a proxy;
    /// else each network is one of loopback's: 127.x.y.0/24.
    ///
    /// # Errors
    /// If a population has no key, or one that HTTP does not take.
    pub fn new(
        target: Target,
        model: &str,
        populations: &[Population],
        keys: &Keys,
        forwards: bool,
    ) -> Result<Self, DoorError> {
        let own = populations.iter().map(|population| {
            if population.class == Class::Anonymous {
                return Ok(Vec::new());
            }
            let found = keys.get(population.name).or_else(|| keys.get(population.class.name()));
            let found = found.filter(|keys| !keys.is_empty());
            let bearers = found.ok_or(DoorError::NoKey(population.name))?.iter().map(|key| {
                HeaderValue::try_from(format!("Bearer {key}"))
                    .map_err(|_| DoorError::Key(population.name))
            });
            bearers.collect()
        });
        let keys = own.collect::<Result<_, _>>()?;
        let times = PROMPT_BYTES_MAX / FILLER.len() + 1;
        Ok(Self { target, model: model.to_owned(), keys, forwards, filler: FILLER.repeat(times) })
    }

    /// Where a request comes from.
    pub(super) fn source(&self, arrival: &Arrival) -> Ipv4Addr {
        if self.forwards { Ipv4Addr::LOCALHOST } else { network(127, arrival.network) }
    }

    /// Who asks, and how often before.
    pub(super) fn headers(&self, arrival: &Arrival) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let keys = self.keys.get(arrival.population).map_or(&[][..], Vec::as_slice);
        let index = usize::try_from(arrival.who).unwrap_or(0).checked_rem(keys.len());
        if let Some(key) = index.and_then(|index| keys.get(index)) {
            headers.insert(AUTHORIZATION, key.clone());
        }
        headers.insert(RETRY_COUNT, HeaderValue::from(u16::from(arrival.attempt)));
        if self.forwards {
            let address = network(10, arrival.network).to_string();
            if let Ok(address) = HeaderValue::try_from(address) {
                headers.insert(FORWARDED_FOR, address);
            }
        }
        headers
    }

    /// A chat of the arrival's size, with words for the double in it.
    pub(super) fn body(&self, arrival: &Arrival) -> Bytes {
        let Arrival { body, output_tokens, max_tokens, stream, .. } = arrival;
        let bytes = usize::try_from(arrival.input_tokens).unwrap_or(usize::MAX);
        let bytes = bytes.saturating_mul(TOKEN_BYTES).min(PROMPT_BYTES_MAX);
        // Two bodies differ from their beginning, so that no cache mixes them up.
        let start = format!("\"{body:016x} !double tokens={output_tokens}\\n");
        let filler = &self.filler[..bytes.saturating_sub(start.len() + 1)];
        let model = serde_json::Value::from(self.model.as_str());
        Bytes::from(format!(
            "{{\"model\":{model},\"max_tokens\":{max_tokens},\"stream\":{stream},\
             \"messages\":[{{\"role\":\"user\",\"content\":{start}{filler}\"}}]}}"
        ))
    }
}

/// An address in network number `index` of the /8 `first`.
fn network(first: u8, index: u32) -> Ipv4Addr {
    let [_, _, second, third] = index.to_be_bytes();
    // 127.0.0.1 is everybody's: the first network is the next one.
    let second = second ^ 1;
    Ipv4Addr::new(first, second, third, 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::{Flood, Traffic, flood};

    #[test]
    fn everybody_has_a_key_of_their_own_kind_and_the_anonymous_none() {
        let populations = flood(&Flood::default());
        let target: Target = "http://127.0.0.1:1/v1/chat/completions".parse().unwrap();
        let mut keys: Keys = ["established", "verified", "new"]
            .map(|name| (name.to_owned(), vec![format!("{name}-1"), format!("{name}-2")]))
            .into();
        let door = |keys: &Keys| Door::new(target.clone(), "m", &populations, keys, false);
        let known = door(&keys).unwrap();
        let until = std::time::Duration::from_secs(30);
        for arrival in Traffic::new(1, populations.clone(), until) {
            let headers = known.headers(&arrival);
            let key = headers.get(AUTHORIZATION).map(|key| key.to_str().unwrap());
            assert_eq!(key.is_none(), arrival.class == Class::Anonymous);
            assert!(key.is_none_or(|key| key.contains(arrival.class.name())), "{key:?}");
        }
        keys.insert("young".to_owned(), Vec::new());
        assert_eq!(door(&keys).err(), Some(DoorError::NoKey("young")));
        keys.insert("young".to_owned(), vec!["a\nb".to_owned()]);
        assert_eq!(door(&keys).err(), Some(DoorError::Key("young")));
    }

    #[test]
    fn a_body_has_the_size_and_the_words() {
        let populations = flood(&Flood::default());
        let target: Target = "http://127.0.0.1:1/".parse().unwrap();
        let keys = Class::ALL.map(|class| (class.name().to_owned(), vec!["k".to_owned()])).into();
        let door = Door::new(target, "m\"", &populations, &keys, false).unwrap();
        let arrival = Traffic::new(1, populations, std::time::Duration::from_secs(60)).next();
        let arrival = Arrival { input_tokens: 500, output_tokens: 7, ..arrival.unwrap() };
        let body: serde_json::Value = serde_json::from_slice(&door.body(&arrival)).unwrap();
        let content = &body["messages"][0]["content"];
        assert_eq!(content.to_string().len(), 2_000);
        assert!(content.as_str().unwrap().contains("!double tokens=7\n"));
        assert_eq!((&body["model"], &body["stream"]), (&"m\"".into(), &true.into()));
    }
}
