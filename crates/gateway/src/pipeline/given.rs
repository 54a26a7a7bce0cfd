//! Who was given one request: for the record of where data went.

use surgewall_core::flow::{Destination, Observed, Went};

use crate::upstream::Pool;

/// Where one request went so far. What may have been sent counts as sent: only a
/// call that found no connection gave nothing.
#[derive(Debug, Default)]
pub struct Given {
    /// The upstream that it is at, and its regions.
    last: Option<Destination>,
    /// Whether that one was given the request.
    sent: bool,
    /// Whether the call that runs may have given it.
    sending: bool,
    also: Vec<Destination>,
}

impl Given {
    /// `pool` is to be called next.
    pub fn attempt(&mut self, pool: &Pool) {
        let same = self.last.as_ref().is_some_and(|last| last.upstream == pool.name());
        self.sent |= std::mem::take(&mut self.sending);
        if same {
            return;
        }
        let region = pool.section().and_then(|section| section.region.clone());
        let upstream = pool.name().to_owned();
        let next = Destination { upstream, region, observed: None };
        let before = self.last.replace(next);
        if std::mem::take(&mut self.sent) {
            self.also.extend(before);
        }
    }

    /// The call begins.
    pub const fn dispatched(&mut self) {
        self.sending = true;
    }

    /// The call found no connection.
    pub const fn unreached(&mut self) {
        self.sending = false;
    }

    /// Where the server that answered is, as far as the door saw it.
    pub const fn observed(&mut self, seen: Option<Observed>) {
        if let Some(last) = &mut self.last {
            last.observed = seen;
        }
    }

    /// The upstream that it was at last, and where it went.
    #[must_use]
    pub fn take(&mut self) -> (Option<String>, Went) {
        let sent = self.sent || self.sending;
        let Self { last, also, .. } = std::mem::take(self);
        let Some(Destination { upstream, region, observed }) = last else {
            return (None, Went::default());
        };
        let (region, unsent) = (region.filter(|_| sent), !sent);
        (Some(upstream), Went { region, observed, unsent, also })
    }
}

#[cfg(test)]
mod tests {
    use surgewall_core::clock::Timestamp;

    use super::*;

    fn pool(name: &str, region: &str) -> Pool {
        let text = format!(
            "[[upstream]]\nname=\"{name}\"\nurl=\"http://127.0.0.1:1/v1\"\nregion=\"{region}\"\n"
        );
        let config = surgewall_core::config::parse("test.toml", &text).unwrap();
        Pool::new(&config.upstream[0], Timestamp::from_millis(0)).unwrap()
    }

    fn regions(given: &mut Given) -> (bool, Vec<String>) {
        let (upstream, went) = given.take();
        let all = went.destinations(upstream.as_deref());
        (went.unsent, all.map(|to| format!("{} {}", to.upstream, to.region.unwrap())).collect())
    }

    #[test]
    fn whoever_may_have_got_the_request_is_named_and_nobody_else() {
        let (a, b) = (pool("a", "eu"), pool("b", "us"));
        let mut given = Given::default();
        assert_eq!(given.take(), (None, Went::default()), "nobody was asked");

        given.attempt(&a);
        assert_eq!(regions(&mut given), (true, vec![]), "nothing was sent yet");

        given.attempt(&a);
        given.dispatched();
        given.unreached();
        given.attempt(&b);
        given.dispatched();
        assert_eq!(regions(&mut given), (false, vec!["b us".into()]), "a was not reached");

        given.attempt(&a);
        given.dispatched();
        // Its second server is not reached: the first one had it.
        given.attempt(&a);
        given.dispatched();
        given.unreached();
        given.attempt(&b);
        given.dispatched();
        given.unreached();
        assert_eq!(regions(&mut given), (true, vec!["a eu".into()]), "a failed, b was not reached");

        given.attempt(&a);
        given.dispatched();
        given.observed(Some(Observed::Local));
        given.attempt(&b);
        given.dispatched();
        let (last, went) = given.take();
        assert_eq!((last.as_deref(), went.observed), (Some("b"), None));
        assert_eq!(went.also[0].observed, Some(Observed::Local));
    }
}
