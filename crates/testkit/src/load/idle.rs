//! Many streams at once, each held after its first token.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use http_body_util::BodyExt;
use tokio::time::Instant;

use super::measure::{Spread, Times};
use super::target::Target;

/// Streams that are being opened at the same time.
const OPENING_MAX: usize = 64;
/// From the connection to the first token.
const OPENING_TIME_MAX: Duration = Duration::from_secs(60);

/// Streams that are held until this is dropped.
pub struct Held {
    /// How many have their first token.
    pub open: usize,
    /// Why others do not.
    pub errors: BTreeMap<String, u64>,
    /// From connecting to the first token, in microseconds.
    pub first_us: Spread,
    ended: Arc<AtomicU64>,
    release: tokio::sync::watch::Sender<bool>,
}

impl Held {
    /// How many ended by themselves since.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// Closes all.
    pub fn close(self) {
        // With no stream left nobody listens.
        let _ = self.release.send(true);
    }
}

/// Opens `count` streams, each on a connection of its own.
pub async fn hold(target: &Target, body: &Bytes, count: usize) -> Held {
    let (release, released) = tokio::sync::watch::channel(false);
    let ended = Arc::new(AtomicU64::new(0));
    let opening = (0..count).map(|index| {
        let (released, ended) = (released.clone(), Arc::clone(&ended));
        async move {
            let opened = open(target, body.clone(), index, released, ended);
            let done = tokio::time::timeout(OPENING_TIME_MAX, opened).await;
            done.unwrap_or_else(|_| Err("no first token in time".to_owned()))
        }
    });
    let done: Vec<_> = stream::iter(opening).buffer_unordered(OPENING_MAX).collect().await;
    let mut errors = BTreeMap::new();
    let mut first_us = Vec::new();
    for one in done {
        match one {
            Ok(us) => first_us.push(us),
            Err(why) => *errors.entry(why).or_default() += 1,
        }
    }
    Held { open: first_us.len(), errors, first_us: Spread::of(&first_us), ended, release }
}

/// Opens one stream and leaves it to a task; the time to its first token.
async fn open(
    target: &Target,
    body: Bytes,
    index: usize,
    mut released: tokio::sync::watch::Receiver<bool>,
    ended: Arc<AtomicU64>,
) -> Result<u64, String> {
    let mut times = Times::new(Instant::now());
    let mut sender = target.connect(index).await.map_err(|error| error.to_string())?;
    let response = sender.send_request(target.request(body)).await;
    let response = response.map_err(|error| error.to_string())?;
    if !response.status().is_success() {
        return Err(format!("status {}", response.status().as_u16()));
    }
    let mut body = response.into_body();
    let first = loop {
        let Some(Ok(frame)) = body.frame().await else {
            return Err("the stream ended before its first token".to_owned());
        };
        times.bytes(&frame.into_data().unwrap_or_default(), Instant::now());
        if let Some(first) = times.first_us {
            break first;
        }
    };
    super::spawn(async move {
        let _sender = sender;
        let drain = async { while let Some(Ok(_)) = body.frame().await {} };
        tokio::select! {
            () = drain => {
                ended.fetch_add(1, Ordering::Relaxed);
            }
            _ = released.wait_for(|released| *released) => {}
        }
    });
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::double::{Behaviour, Double};
    use crate::load::conversation;

    #[tokio::test]
    async fn streams_are_held_until_they_are_let_go() {
        let double = Double::start(Behaviour::default());
        let target: Target = format!("{}/v1/chat/completions", double.url()).parse().unwrap();
        let body = conversation("m", "stall after=1 tokens=9", true, 0);
        let held = hold(&target, &body, 50).await;
        assert_eq!((held.open, held.errors.len(), held.ended()), (50, 0, 0));
        assert_eq!(double.in_flight(), 50);
        held.close();
        assert!(double.idle(Duration::from_secs(10)).await);
    }
}
