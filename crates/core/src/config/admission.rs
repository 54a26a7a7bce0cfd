//! `[admission]`, `[classes]` and `[queue]`: who is served first when not
//! everybody can be.

use serde::Deserialize;

use crate::principal::Class;

/// What admission does with its decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AdmissionMode {
    /// Nobody waits and nobody is refused: it only reports what it would have done.
    Observe,
    /// Requests beyond the capacity wait, or are refused.
    #[default]
    On,
}

/// `[admission]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admission {
    /// What it does with its decisions.
    pub mode: AdmissionMode,
    /// The part of each pool's capacity that only `established` may use; at least one sequence.
    pub headroom_share: f64,
    /// Days until an account has a share of its own: all younger ones of a class have one together.
    pub young_days: u32,
}

impl Default for Admission {
    fn default() -> Self {
        Self { mode: AdmissionMode::On, headroom_share: 0.05, young_days: 7 }
    }
}

/// `[classes]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Classes {
    /// Days that an account has to be known until it can be `established`.
    pub established_days: u32,
    /// Days on which it has to have used the door well until then.
    pub established_active_days: u32,
    /// Long and good use.
    #[serde(deserialize_with = "established")]
    pub established: ClassTerms,
    /// Somebody vouches for it.
    #[serde(deserialize_with = "verified")]
    pub verified: ClassTerms,
    /// A young account.
    #[serde(deserialize_with = "new")]
    pub new: ClassTerms,
    /// Nobody said who it is.
    #[serde(deserialize_with = "anonymous")]
    pub anonymous: ClassTerms,
}

/// What a class is guaranteed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassTerms {
    /// The share of each pool's work that it gets while others wait too; what it does not use is lent out.
    pub share: f64,
    /// Seconds of predicted wait past which a request is refused at arrival.
    pub longest_wait_s: u32,
}

const ESTABLISHED: ClassTerms = ClassTerms { share: 0.45, longest_wait_s: 120 };
const VERIFIED: ClassTerms = ClassTerms { share: 0.25, longest_wait_s: 60 };
const NEW: ClassTerms = ClassTerms { share: 0.15, longest_wait_s: 30 };
const ANONYMOUS: ClassTerms = ClassTerms { share: 0.15, longest_wait_s: 20 };

impl Default for Classes {
    fn default() -> Self {
        Self {
            established_days: 30,
            established_active_days: 10,
            established: ESTABLISHED,
            verified: VERIFIED,
            new: NEW,
            anonymous: ANONYMOUS,
        }
    }
}

impl Classes {
    /// The terms of `class`.
    #[must_use]
    pub const fn of(&self, class: Class) -> ClassTerms {
        match class {
            Class::Established => self.established,
            Class::Verified => self.verified,
            Class::New => self.new,
            Class::Anonymous => self.anonymous,
        }
    }
}

/// A class's block may leave out what it does not change.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    share: Option<f64>,
    longest_wait_s: Option<u32>,
}

fn terms<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
    default: ClassTerms,
) -> Result<ClassTerms, D::Error> {
    let given = Given::deserialize(deserializer)?;
    Ok(ClassTerms {
        share: given.share.unwrap_or(default.share),
        longest_wait_s: given.longest_wait_s.unwrap_or(default.longest_wait_s),
    })
}

fn established<'de, D: serde::Deserializer<'de>>(from: D) -> Result<ClassTerms, D::Error> {
    terms(from, ESTABLISHED)
}
fn verified<'de, D: serde::Deserializer<'de>>(from: D) -> Result<ClassTerms, D::Error> {
    terms(from, VERIFIED)
}
fn new<'de, D: serde::Deserializer<'de>>(from: D) -> Result<ClassTerms, D::Error> {
    terms(from, NEW)
}
fn anonymous<'de, D: serde::Deserializer<'de>>(from: D) -> Result<ClassTerms, D::Error> {
    terms(from, ANONYMOUS)
}

/// `[queue]`: requests that wait for a place.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Queue {
    /// Bytes of the requests that wait at one upstream, bodies included.
    pub bytes_max: u64,
    /// Milliseconds after which a waiting stream gets its head and learns its position.
    pub comment_after_ms: u64,
}

impl Default for Queue {
    fn default() -> Self {
        Self { bytes_max: 256 << 20, comment_after_ms: 2_000 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_may_change_one_of_its_terms() {
        let text = "[classes]\nnew = { longest_wait_s = 5 }\n";
        let config = crate::config::parse("test.toml", text).unwrap();
        assert_eq!(config.classes.new, ClassTerms { share: 0.15, longest_wait_s: 5 });
        assert_eq!(config.classes.established, ESTABLISHED);
    }

    #[test]
    fn shares_that_promise_more_than_there_is_are_refused() {
        let cases = [
            ("[classes]\nnew = { share = 0.2 }\n", "promise 1.05"),
            ("[classes]\nnew = { share = 0.0 }\n", "between"),
            ("[classes]\nnew = { share = 0.15, weight = 1 }\n", "weight"),
            ("[admission]\nheadroom_share = 0.6\n", "headroom"),
            ("[admission]\nheadroom_share = nan\n", "headroom"),
            ("[queue]\ncomment_after_ms = 0\n", "at least"),
            ("[admission]\nmode = \"off\"\n", "observe"),
        ];
        for (text, said) in cases {
            let error = crate::config::parse("test.toml", text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
        let even = "[classes]\nestablished={share=0.25}\nverified={share=0.25}\nnew={share=0.25}\nanonymous={share=0.25}\n";
        assert!(crate::config::parse("test.toml", even).is_ok());
    }
}
