//! A receipt for one request: where it went, what it carried, what was taken out,
//! which model answered, how long what is kept of it, who looked, and where the
//! ledger has it; signed by the store, with a proof that needs nobody's help.
//!
//! It holds no content. It says what the ledger and the configuration of that
//! moment say; what nobody declared is `null`.

mod canonical;
mod gather;

use serde::Serialize;
use surgewall_core::clock::Timestamp;
use surgewall_core::config::data::{Passport, Statement, TrainsOnData};
use surgewall_core::config::schema::RecordTraffic;
use surgewall_core::data::ClassSet;
use surgewall_core::decision::Outcome;
use surgewall_core::flow::Observed;
use surgewall_core::id::RequestId;

use crate::ledger::read::{Inclusion, ProofError, ReadError};
use crate::people::StoreError;

pub use gather::{Wanted, of};

/// The form of a receipt.
pub const RECEIPT_FORMAT: &str = "surgewall-receipt/1";
/// The first line of what is signed.
pub const RECEIPT_PURPOSE: &str = "surgewall receipt 1";
/// Accesses that one receipt lists: the first ones.
pub const ACCESSES_MAX: usize = 100;

/// A receipt. All but `signature` is signed, as RFC 8785 (JCS) writes it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Receipt {
    /// [`RECEIPT_FORMAT`].
    pub format: &'static str,
    /// The store that gives it.
    pub store: String,
    /// When it was given.
    pub issued_at: Timestamp,
    /// The request, as `x-request-id` named it.
    pub request_id: RequestId,
    /// Whose it is: a public id, the keyed hash of an end user, or `anonymous`.
    pub whose: String,
    /// When it was admitted.
    pub admitted_at: Timestamp,
    /// When it ended; `None` while it runs.
    pub ended_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// What it carried, as far as the door looked.
    pub carried: Carried,
    /// The model.
    pub model: Model,
    /// Who was given it, the door first, in the order in which they were; `None`
    /// while it runs.
    pub hops: Option<Vec<Hop>>,
    /// How long what is kept here.
    pub kept: Option<Kept>,
    /// Exports of what is held about this person since then, as the ledger knows them.
    pub accesses: Vec<Access>,
    /// The configuration it ran under.
    pub config: String,
    /// Where the ledger has it, and the proof.
    pub ledger: Inclusion,
    /// The store's Ed25519 signature over [`RECEIPT_PURPOSE`], a newline, and the
    /// receipt without this field, in hex.
    pub signature: String,
}

/// What a request carried.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Carried {
    /// Whether its text was searched; `None` where the configuration is gone.
    pub searched: Option<bool>,
    /// The classes of data that were found.
    pub classes: ClassSet,
    /// The classes that were taken out before an upstream was given it.
    pub redacted: ClassSet,
    /// Images, audio and documents, into which nothing looks.
    pub media: u32,
}

/// The model that was asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Model {
    /// Its name, as configured.
    pub id: String,
    /// What is known of it; `None` where nothing is.
    pub passport: Option<Known>,
}

/// A passport's statements.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Known {
    /// Who made it.
    pub maker: Statement,
    /// Under which licence.
    pub licence: Statement,
    /// What is said of the data that it was trained on.
    pub training_data: Statement,
    /// Which weights these are.
    pub weights: Statement,
}

impl From<&Passport> for Known {
    fn from(passport: &Passport) -> Self {
        Self {
            maker: passport.maker.clone(),
            licence: passport.licence.clone(),
            training_data: passport.training_data.clone(),
            weights: passport.weights.clone(),
        }
    }
}

/// Somebody who was given a request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "hop", rename_all = "snake_case")]
pub enum Hop {
    /// This door.
    Door {
        /// Who runs it and answers for it.
        controller: Option<String>,
        /// Whom people ask.
        contact: Option<String>,
        /// Where it is, as declared.
        region: Option<String>,
    },
    /// An upstream.
    Upstream(Box<Upstream>),
}

/// An upstream, as the configuration of that moment declares it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Upstream {
    /// Its name.
    pub name: String,
    /// Whether it is in the door itself: what it is asked goes nowhere.
    pub built_in: bool,
    /// Whose service it is.
    pub provider: Option<String>,
    /// The legal entity that receives the data.
    pub legal_entity: Option<String>,
    /// Where it is asked; said of a provider's only, and not of the operator's own machines.
    pub endpoints: Vec<String>,
    /// Its region, as declared.
    pub region: Option<String>,
    /// Its region, as the door saw it.
    pub observed: Option<Observed>,
    /// Days that prompts and answers are kept there.
    pub retention_days: Option<u32>,
    /// Whether models are trained on them there.
    pub trains_on_data: Option<TrainsOnData>,
    /// Where its terms were read.
    pub terms_source: Option<String>,
    /// When they were read.
    pub terms_date: Option<String>,
}

/// How long what is kept here.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Kept {
    /// Of which traffic the operator keeps records, redacted.
    pub records: RecordTraffic,
    /// Days that a record is kept.
    pub record_days: u32,
    /// Days that the ledger's records are kept; their proofs are kept for ever.
    pub ledger_days: u32,
}

/// Somebody took away what is held about a person.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Access {
    /// When.
    pub at: Timestamp,
    /// What was done.
    pub action: String,
    /// The ledger's record of it.
    pub record: u64,
}

/// Why there is no receipt.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// The request is not there, or somebody else's: the answer is the same.
    #[error("the ledger has no such request, or no more")]
    NotFound,
    /// Its records cannot be proven, or not yet.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] ReadError),
    /// People or configurations cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It cannot be written down.
    #[error("the receipt cannot be written: {0}")]
    Form(#[from] serde_json::Error),
}
