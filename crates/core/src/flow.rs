//! Where content goes, as each decision records it: what a request carried,
//! and who was given it. No content and no address: configured names only.
//!
//! Who stands behind an upstream (provider, legal entity, endpoint, retention,
//! terms) is joined from the configuration that the decision names by its hash.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::data::ClassSet;

/// What a request carried, as far as the door looked.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Carried {
    /// The classes found in its text. Nothing is looked for where `[data] classify` is off.
    #[serde(default, skip_serializing_if = "ClassSet::is_empty")]
    pub classes: ClassSet,
    /// Images, audio and documents in it: nothing looks into these.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub media: u32,
    /// The classes that were taken out before an upstream was given it.
    #[serde(default, skip_serializing_if = "ClassSet::is_empty")]
    pub redacted: ClassSet,
    /// The residency rules in shadow that would have kept it from an upstream.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shadow: Vec<String>,
}

impl Carried {
    /// Whether there is nothing to record.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// What the door itself saw of the place at which a server is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observed {
    /// The connection led to this machine or to a private network. What the
    /// server there passes on is not seen.
    Local,
}

impl Observed {
    /// What a connection to `address` shows: a public address does not tell where
    /// its machine stands.
    #[must_use]
    pub const fn of(address: IpAddr) -> Option<Self> {
        let local = match address.to_canonical() {
            IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
            // Unique local (fc00::/7) and link local (fe80::/10) addresses.
            IpAddr::V6(v6) => {
                v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()
            }
        };
        if local { Some(Self::Local) } else { None }
    }

    /// The region's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
        }
    }
}

/// An upstream that was given a request. Neither region: it is not known.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Destination {
    /// The upstream, as configured.
    pub upstream: String,
    /// Its region, as the configuration declares it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Its region, as the door saw it; only where it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Observed>,
}

/// Where a request went, beside the name of the upstream that it was at last.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Went {
    /// The last upstream's region, as declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The last upstream's region, as seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Observed>,
    /// Whether the last upstream was tried and never given the request: there was
    /// no connection.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unsent: bool,
    /// Upstreams that were given it before, and failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Destination>,
}

impl Went {
    /// Whether there is nothing to record.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Every upstream that was given the request, the last one first; `upstream`
    /// is the one that it was at last.
    pub fn destinations<'a>(
        &'a self,
        upstream: Option<&'a str>,
    ) -> impl Iterator<Item = Destination> + 'a {
        let last = upstream.filter(|_| !self.unsent).map(|upstream| Destination {
            upstream: upstream.to_owned(),
            region: self.region.clone(),
            observed: self.observed,
        });
        last.into_iter().chain(self.also.iter().cloned())
    }
}

const fn is_zero(count: &u32) -> bool {
    *count == 0
}

const fn is_false(flag: &bool) -> bool {
    !*flag
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::DataClass;

    #[test]
    fn only_this_machine_and_private_networks_are_seen_as_local() {
        for (address, local) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.1.2.3", true),
            ("172.16.0.1", true),
            ("172.32.0.1", false),
            ("192.168.0.1", true),
            ("169.254.1.1", true),
            ("fd00::1", true),
            ("fe80::1", true),
            ("100.64.0.1", false),
            ("192.0.2.1", false),
            ("2001:db8::1", false),
        ] {
            let seen = Observed::of(address.parse().unwrap());
            assert_eq!(seen.is_some(), local, "{address}");
        }
    }

    #[test]
    fn what_is_not_so_takes_no_room_in_the_ledger() {
        assert_eq!(serde_json::to_string(&Carried::default()).unwrap(), "{}");
        assert_eq!(serde_json::to_string(&Went::default()).unwrap(), "{}");
        let carried = Carried {
            classes: [DataClass::Email].into_iter().collect(),
            media: 2,
            shadow: vec!["eu-only".into()],
            ..Carried::default()
        };
        let text = serde_json::to_string(&carried).unwrap();
        assert_eq!(text, r#"{"classes":["email"],"media":2,"shadow":["eu-only"]}"#);
        assert_eq!(serde_json::from_str::<Carried>(&text).unwrap(), carried);
        assert!(!carried.is_nothing() && Carried::default().is_nothing());
    }

    #[test]
    fn a_server_that_was_not_reached_was_given_nothing() {
        let before =
            Destination { upstream: "a".into(), region: Some("us".into()), observed: None };
        let mut went = Went {
            region: Some("eu".into()),
            observed: Some(Observed::Local),
            unsent: false,
            also: vec![before],
        };
        let names = |went: &Went, last| -> Vec<_> {
            went.destinations(last).map(|to| to.upstream).collect()
        };
        assert_eq!(names(&went, Some("b")), ["b", "a"]);
        let last = went.destinations(Some("b")).next().unwrap();
        assert_eq!((last.region.as_deref(), last.observed), (Some("eu"), Some(Observed::Local)));
        went.unsent = true;
        assert_eq!(names(&went, Some("b")), ["a"]);
        assert_eq!(names(&Went::default(), None), Vec::<String>::new());
    }
}
