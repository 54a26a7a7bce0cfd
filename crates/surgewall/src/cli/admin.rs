//! `surgewall admin`.

pub(crate) mod finding;
pub(crate) mod gate;
pub(crate) mod import;
mod ledger;
pub(crate) mod rule;
pub(crate) mod status;
mod vault;

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use ipnet::IpNet;
use surgewall_core::principal::{Class, Scopes};
use surgewall_core::role::Role;

pub(crate) use self::ledger::Ledger;
pub(crate) use self::vault::{Erase, Vault};
use super::Shape;

/// `admin`.
#[derive(Subcommand, Debug)]
#[command(after_help = "\
With a door running on the data directory, an effect holds for its next request; else the data
directory itself is opened. Users are named by id or e-mail, groups and keys by id or name.")]
pub(crate) enum Admin {
    /// People and services that may have keys
    #[command(subcommand)]
    User(User),
    /// Teams, courses, customers: accounts that share limits
    #[command(subcommand)]
    Group(Group),
    /// Keys
    #[command(subcommand)]
    Key(Key),
    /// What the door decided
    #[command(subcommand)]
    Ledger(Ledger),
    /// The keys of what people wrote: how they are, erasing, a new master key
    #[command(subcommand)]
    Vault(Vault),
    /// What checks concluded, and what became of it
    #[command(subcommand)]
    Finding(finding::Finding),
    /// Users and keys of another system: on day one yours are already known
    #[command(subcommand)]
    Import(import::Import),
    /// Who may make an account: the gate, invites, the waiting list
    #[command(subcommand)]
    Gate(gate::Gate),
    /// Rules: those of the configuration, and those that were made of findings
    #[command(subcommand)]
    Rule(rule::Rule),
    /// What the status page tells of incidents and maintenances
    #[command(subcommand)]
    Status(status::Status),
}

/// `admin user`.
#[derive(Subcommand, Debug)]
pub(crate) enum User {
    /// Make an account and print its id
    Create(UserCreate),
    /// List accounts
    List(List),
    /// Show one account
    Show(Named),
    /// Change an account; what is not named stays
    Set(UserSet),
    /// Print a link that enrols the owner, or gives an account a new password; good once, for an hour
    Recover(UserRecover),
    /// Close an account for good: nobody signs in to it, its keys end, what was written in it is destroyed
    Close(Named),
    /// Show or change the limits of one end user that a delegating key names
    Limit(UserLimit),
}

/// `admin group`.
#[derive(Subcommand, Debug)]
pub(crate) enum Group {
    /// Make a group and print its id
    Create(GroupCreate),
    /// List groups
    List(List),
    /// Show one group
    Show(Named),
    /// Change a group; what is not named stays
    Set(GroupSet),
}

/// `admin key`.
#[derive(Subcommand, Debug)]
pub(crate) enum Key {
    /// Make a key and print it, alone, this once
    Create(KeyCreate),
    /// Take over the keys of another system by their hashes, all or none
    Import(KeyImport),
    /// List keys
    List(KeyList),
    /// Show one key
    Show(Named),
    /// End a key for good
    Revoke(Named),
    /// Change a key; what is not named stays
    Set(KeySet),
}

/// One thing, by name.
#[derive(Args, Debug)]
pub(crate) struct Named {
    /// Its id, e-mail or name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Shape::Text, value_name = "FORMAT")]
    pub(crate) format: Shape,
}

/// A listing.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// How to print it
    #[arg(long, value_enum, default_value_t = Shape::Text, value_name = "FORMAT")]
    pub(crate) format: Shape,
}

/// Limits, as every command takes them.
#[derive(Args, Debug)]
pub(crate) struct Limits {
    /// A limit, for example total_tokens=100000/1d, money=5.00/30d, requests=60/1m:llama-*, concurrency=4; may be repeated
    #[arg(long = "limit", value_name = "METER=AMOUNT/WINDOW[:MODEL]")]
    pub(crate) limits: Vec<String>,
}

/// Limits that replace those that are there.
#[derive(Args, Debug)]
pub(crate) struct NewLimits {
    /// A limit; may be repeated, and all of them replace those that are there
    #[arg(long = "limit", value_name = "METER=AMOUNT/WINDOW[:MODEL]")]
    limits: Vec<String>,
    /// Take all limits away
    #[arg(long, conflicts_with = "limits")]
    no_limits: bool,
}

impl NewLimits {
    /// All limits, if they are to change.
    pub(crate) fn into_limits(self) -> Option<Vec<String>> {
        (self.no_limits || !self.limits.is_empty()).then_some(self.limits)
    }
}

/// `admin user create`.
#[derive(Args, Debug)]
pub(crate) struct UserCreate {
    /// The e-mail address
    #[arg(long)]
    pub(crate) email: String,
    /// How far it is trusted: established, verified, new or anonymous [default: new]
    #[arg(long)]
    pub(crate) class: Option<Class>,
    /// Its group
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Option<String>,
    #[command(flatten)]
    pub(crate) limits: Limits,
}

/// `admin user set`.
#[derive(Args, Debug)]
pub(crate) struct UserSet {
    /// The account's id or e-mail
    pub(crate) user: String,
    /// How far it is trusted: established, verified, new or anonymous
    #[arg(long)]
    pub(crate) class: Option<Class>,
    /// Take back a granted class: it is earned by rule again
    #[arg(long, conflicts_with = "class")]
    pub(crate) by_rule: bool,
    /// What it may do besides using the door: user, auditor, operator, admin or owner
    #[arg(long)]
    pub(crate) role: Option<Role>,
    /// Put it into this group
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Option<String>,
    /// Take it out of its group
    #[arg(long, conflicts_with = "group")]
    pub(crate) no_group: bool,
    /// Refuse all of its keys
    #[arg(long)]
    pub(crate) suspend: bool,
    /// Accept its keys again
    #[arg(long, conflicts_with = "suspend")]
    pub(crate) resume: bool,
    #[command(flatten)]
    pub(crate) limits: NewLimits,
}

/// `admin user recover`.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("whom").args(["user", "owner"]).required(true)))]
#[command(after_help = "\
Hand the link to that person and to nobody else. A second factor that the account has stays.

Examples:
  surgewall admin user recover --owner
  surgewall admin user recover ada@example.org")]
pub(crate) struct UserRecover {
    /// The account's id or e-mail
    pub(crate) user: Option<String>,
    /// The first owner, or one more
    #[arg(long)]
    pub(crate) owner: bool,
}

/// `admin user limit`.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("who").args(["user", "hash"]).required(true))]
#[command(after_help = "\
Without --limit and --no-limits the user is shown. The name is hashed, never kept. What all end
users of a key may use stands in the configuration: [[limits.quota]] with per = \"user\".

Examples:
  surgewall admin user limit --key app --user alice
  surgewall admin user limit --key app --user alice --limit requests=100/1d --limit concurrency=1
  surgewall admin user limit --key app --user alice --no-limits")]
pub(crate) struct UserLimit {
    /// The key's id or name
    #[arg(long)]
    pub(crate) key: String,
    /// The end user, as the key's requests name it
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// The end user, by the hash that the ledger shows
    #[arg(long, value_name = "HEX")]
    pub(crate) hash: Option<String>,
    #[command(flatten)]
    pub(crate) limits: NewLimits,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Shape::Text, value_name = "FORMAT")]
    pub(crate) format: Shape,
}

/// `admin group create`.
#[derive(Args, Debug)]
pub(crate) struct GroupCreate {
    /// What you call it
    #[arg(long)]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) limits: Limits,
}

/// `admin group set`.
#[derive(Args, Debug)]
pub(crate) struct GroupSet {
    /// The group's id or name
    pub(crate) group: String,
    /// Call it this
    #[arg(long)]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) limits: NewLimits,
}

/// What a key may do.
#[derive(Args, Debug)]
pub(crate) struct ScopeArgs {
    /// Only these models; a trailing * matches any ending
    #[arg(long, value_name = "MODEL,..", value_delimiter = ',')]
    models: Vec<String>,
    /// Only these routes: chat, completions, embeddings, models, balance
    #[arg(long, value_name = "ROUTE,..", value_delimiter = ',')]
    routes: Vec<String>,
    /// Only from these networks
    #[arg(long, value_name = "CIDR,..", value_delimiter = ',', value_parser = network)]
    networks: Vec<IpNet>,
}

impl From<ScopeArgs> for Scopes {
    fn from(args: ScopeArgs) -> Self {
        Self { models: args.models, routes: args.routes, networks: args.networks }
    }
}

/// A network, or one address.
fn network(text: &str) -> Result<IpNet, String> {
    let one = || text.parse().ok().map(|address: std::net::IpAddr| IpNet::from(address));
    text.parse().ok().or_else(one).ok_or_else(|| "write a network like 10.0.0.0/8".to_owned())
}

/// `admin key create`.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("foreign").args(["sha256", "bcrypt"]))]
#[command(after_help = "\
The new key is printed alone on stdout; everything else goes to stderr. It cannot be shown again.

Examples:
  surgewall admin key create --name laptop
  surgewall admin key create --name ada --account ada@example.org --expires 90d
  surgewall admin key create --name lab --limit total_tokens=100000/1d --limit concurrency=4
  KEY=$(surgewall admin key create --name ci --models 'llama-*' --routes chat)
  surgewall admin key create --name old --sha256 \"$(printf %s \"$OLD_KEY\" | sha256sum | cut -c1-64)\"")]
pub(crate) struct KeyCreate {
    /// What you call it
    #[arg(long)]
    pub(crate) name: String,
    /// Whose key it is; without it, the operator's
    #[arg(long, value_name = "EMAIL")]
    pub(crate) account: Option<String>,
    /// The group of an operator's key
    #[arg(long, value_name = "GROUP", conflicts_with = "account")]
    pub(crate) group: Option<String>,
    #[command(flatten)]
    pub(crate) scopes: ScopeArgs,
    /// How long it works, for example 90d; without it, for ever
    #[arg(long, value_name = "TIME")]
    pub(crate) expires: Option<String>,
    /// It may name its end user in each request
    #[arg(long)]
    pub(crate) delegates: bool,
    #[command(flatten)]
    pub(crate) limits: Limits,
    /// Take over another system's key by its SHA-256
    #[arg(long, value_name = "HEX")]
    pub(crate) sha256: Option<String>,
    /// Take over another system's key by its bcrypt hash
    #[arg(long, value_name = "HASH", requires = "prefix")]
    pub(crate) bcrypt: Option<String>,
    /// The first 8 to 32 characters of a bcrypt key
    #[arg(long, value_name = "TEXT", requires = "bcrypt")]
    pub(crate) prefix: Option<String>,
}

/// `admin key import`.
#[derive(Args, Debug)]
#[command(after_help = "\
FILE holds one JSON object a line, or comma-separated values with a head line. The fields are
name, sha256 or bcrypt and prefix, and if wanted account, group, models, routes, networks,
expires, delegates, limits; and first_seen (2024-05-01) with active_days, what the account did
before: it counts for its class. In CSV the lists are separated by spaces. `-` reads standard input.

Example:
  {\"name\":\"lab-1\",\"sha256\":\"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"}")]
pub(crate) struct KeyImport {
    /// The keys, .jsonl or .csv
    pub(crate) file: PathBuf,
}

/// `admin key list`.
#[derive(Args, Debug)]
pub(crate) struct KeyList {
    /// Only keys of this account
    #[arg(long, value_name = "EMAIL")]
    pub(crate) account: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Shape::Text, value_name = "FORMAT")]
    pub(crate) format: Shape,
}

/// `admin key set`.
#[derive(Args, Debug)]
pub(crate) struct KeySet {
    /// The key's id or name
    pub(crate) key: String,
    #[command(flatten)]
    pub(crate) scopes: ScopeArgs,
    /// Take all restrictions of models, routes and networks away
    #[arg(long, conflicts_with_all = ["models", "routes", "networks"])]
    pub(crate) no_scopes: bool,
    /// Whether it may name its end user in each request
    #[arg(long, value_name = "BOOL")]
    pub(crate) delegates: Option<bool>,
    #[command(flatten)]
    pub(crate) limits: NewLimits,
}
