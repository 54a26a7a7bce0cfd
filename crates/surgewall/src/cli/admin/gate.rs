//! `surgewall admin gate`.

use clap::{Args, Subcommand};
use surgewall_core::gate::GateStep;

use super::List;
use crate::cli::Shape;

/// `admin gate`.
#[derive(Subcommand, Debug)]
#[command(after_help = "\
The steps, each narrower than the one before it: open, work (the browser works or waits), verified
(another service or a mail vouches), invite (or a turn on the waiting list), region, closed.
Whoever has an account is not asked by any of them.

Examples:
  surgewall admin gate move invite --reason \"We are growing slowly.\"
  surgewall admin gate invite create --uses 30 --note \"course of spring\"
  surgewall admin gate waiting admit 50")]
pub(crate) enum Gate {
    /// Show where the gate stands, since when and why
    Show(List),
    /// Move it by hand; it stands there until it is moved again or pressure narrows it further
    #[command(visible_alias = "set")]
    Move(Move),
    /// Invites
    #[command(subcommand)]
    Invite(Invite),
    /// The waiting list
    #[command(subcommand)]
    Waiting(Waiting),
}

/// `admin gate move`.
#[derive(Args, Debug)]
pub(crate) struct Move {
    /// Where: open, work, verified, invite, region or closed
    pub(crate) step: GateStep,
    /// Why, in words for everybody: the sign-up page and the status page show them
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// How to print where it stands then
    #[arg(long, value_enum, default_value_t = Shape::Text, value_name = "FORMAT")]
    pub(crate) format: Shape,
}

/// `admin gate invite`.
#[derive(Subcommand, Debug)]
pub(crate) enum Invite {
    /// Make an invite and print its token, alone, this once
    Create(InviteCreate),
    /// List invites
    List(List),
    /// End an invite for good
    Revoke(InviteRevoke),
}

/// `admin gate invite create`.
#[derive(Args, Debug)]
pub(crate) struct InviteCreate {
    /// Accounts that it is good for
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    pub(crate) uses: u32,
    /// Days that it is good
    #[arg(long, default_value_t = 30, value_name = "DAYS")]
    pub(crate) days: u32,
    /// What you want to remember of it; it is kept sealed
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    /// The account that gives it, by e-mail or id; without it, the operator
    #[arg(long, value_name = "EMAIL")]
    pub(crate) by: Option<String>,
}

/// `admin gate invite revoke`.
#[derive(Args, Debug)]
pub(crate) struct InviteRevoke {
    /// The invite's id
    pub(crate) id: String,
    /// With every invite of those who came by it, and so on
    #[arg(long)]
    pub(crate) tree: bool,
    /// How to print what was revoked
    #[arg(long, value_enum, default_value_t = Shape::Text, value_name = "FORMAT")]
    pub(crate) format: Shape,
}

/// `admin gate waiting`.
#[derive(Subcommand, Debug)]
pub(crate) enum Waiting {
    /// List who waits, the first first
    List(List),
    /// Let the first ones in, and print their addresses
    Admit(Admit),
}

/// `admin gate waiting admit`.
#[derive(Args, Debug)]
pub(crate) struct Admit {
    /// How many
    pub(crate) count: u32,
    /// Days that they have to make their account [default: gate.turn_days]
    #[arg(long, value_name = "DAYS")]
    pub(crate) days: Option<u32>,
    /// How to print them
    #[arg(long, value_enum, default_value_t = Shape::Text, value_name = "FORMAT")]
    pub(crate) format: Shape,
}
