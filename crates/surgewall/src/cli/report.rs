//! `surgewall report`.

use clap::{Subcommand, ValueEnum};
use surgewall_core::id::RequestId;
use surgewall_store::ledger::read::UsageBy;

use super::Shape;

/// `report`.
#[derive(Subcommand, Debug)]
pub(crate) enum Report {
    /// Who used what, and what it cost
    #[command(after_help = "\
Counts requests that ended in the period, as far back as the ledger is kept. D is a day in UTC
(2026-11-01), an instant (2026-11-01T12:00:00Z) or a time before now (7d).

Examples:
  surgewall report usage --by account
  surgewall report usage --by model --since 30d --format csv")]
    Usage(Usage),
    /// What happened when requests waited long or were refused, and why
    #[command(after_help = "\
Without ID it lists the incidents that the ledger tells of, the newest last. ID is an incident's id,
the beginning of one, or `last`. It only reads: beside a running door, or on a copy.

Examples:
  surgewall report incident
  surgewall report incident last
  surgewall report incident inc_7Qd0Yw3mXk1bVtR5a --format json")]
    Incident(Incident),
    /// Everything that is held about one person
    #[command(after_help = "\
For the person it is about: account, keys, conversations, records, every decision of the ledger that
names them, and who accessed it. The export is an access itself and is recorded in the ledger before
anything is read, by the running door if there is one. The text form is short; json and html are
whole.

Examples:
  surgewall report user ada@example.org
  surgewall report user ada@example.org --format html --out ada.html
  surgewall report user --key app --user alice --format json")]
    User(User),
    /// Which data went where: what regulators ask, answered with evidence
    #[command(after_help = "\
Answers which personal data is processed, from which sources, for which purposes and on which legal
basis, where it is stored and who receives it; and lists what is UNKNOWN, with what would make it
known. It counts requests that ended in the period, as far back as the ledger is kept, and only reads:
beside a running door, or on a copy. D is as in `report usage`.

Examples:
  surgewall report dataflow --since 30d
  surgewall report dataflow --since 2026-01-01 --until 2026-02-01 --format html > dataflow.html")]
    Dataflow(Dataflow),
    /// What became of one request, signed and provable to others
    Receipt(Receipt),
}

/// `report receipt`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Where the request went, what it carried and what was taken out, the model and what is known of it,
how long what is kept, who took away what is held about the person since, and the proof that the
ledger has it: one JSON object, signed. It holds no content. The person whose request it was gets
the same from the account page. It only reads: beside a running door, or on a copy.

Examples:
  surgewall report receipt req_0123456789abcdef0123456789abcdef > receipt.json
  surgewall check receipt receipt.json --key surgewall/...")]
pub(crate) struct Receipt {
    /// The request, as `x-request-id` of the answer names it
    #[arg(value_name = "REQUEST_ID")]
    pub(crate) request: RequestId,
}

/// `report user`.
#[derive(clap::Args, Debug)]
#[command(group(clap::ArgGroup::new("person").required(true).args(["account", "key"])))]
#[command(group(clap::ArgGroup::new("end_user").args(["user", "hash"]).requires("key")))]
pub(crate) struct User {
    /// The account, by e-mail or id
    #[arg(value_name = "EMAIL|ID")]
    pub(crate) account: Option<String>,
    /// A key of the operator's; with --user or --hash, one of its end users
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// The end user, as the key's requests name it
    #[arg(long, value_name = "NAME", conflicts_with = "account")]
    pub(crate) user: Option<String>,
    /// The end user, by the hash that the ledger shows
    #[arg(long, value_name = "HASH", conflicts_with = "account")]
    pub(crate) hash: Option<String>,
    /// How to write it
    #[arg(long, value_enum, default_value_t = Paper::Text, value_name = "FORMAT")]
    pub(crate) format: Paper,
    /// Write to this new file, which only you can read, and not to stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<std::path::PathBuf>,
}

/// How an export is written.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paper {
    /// In short, for people
    Text,
    /// All of it, as one JSON object
    Json,
    /// All of it, as a page to read
    Html,
}

/// `report dataflow`.
#[derive(clap::Args, Debug)]
pub(crate) struct Dataflow {
    /// Only requests that ended then or later
    #[arg(long, value_name = "D")]
    pub(crate) since: Option<String>,
    /// Only requests that ended before
    #[arg(long, value_name = "D")]
    pub(crate) until: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Page::Text, value_name = "FORMAT")]
    pub(crate) format: Page,
}

/// How a report is printed.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// For people, in a terminal
    Text,
    /// One JSON value
    Json,
    /// A page for a browser or for print
    Html,
}

/// `report incident`.
#[derive(clap::Args, Debug)]
pub(crate) struct Incident {
    /// Which one
    #[arg(value_name = "ID")]
    pub(crate) id: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Shape::Text, value_name = "FORMAT")]
    pub(crate) format: Shape,
}

/// `report usage`.
#[derive(clap::Args, Debug)]
pub(crate) struct Usage {
    /// Whose usage a row adds up
    #[arg(long, value_enum)]
    pub(crate) by: By,
    /// Only requests that ended then or later
    #[arg(long, value_name = "D")]
    pub(crate) since: Option<String>,
    /// Only requests that ended before
    #[arg(long, value_name = "D")]
    pub(crate) until: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Sheet::Text, value_name = "FORMAT")]
    pub(crate) format: Sheet,
}

/// Whose usage a row adds up.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// An account
    Account,
    /// A group
    Group,
    /// A key
    Key,
    /// A model
    Model,
}

impl By {
    /// The word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Group => "group",
            Self::Key => "key",
            Self::Model => "model",
        }
    }
}

impl From<By> for UsageBy {
    fn from(by: By) -> Self {
        match by {
            By::Account => Self::Account,
            By::Group => Self::Group,
            By::Key => Self::Key,
            By::Model => Self::Model,
        }
    }
}

/// How a table is printed.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sheet {
    /// For people
    Text,
    /// Comma-separated, for spreadsheets
    Csv,
    /// One JSON value
    Json,
}
