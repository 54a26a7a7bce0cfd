//! The admin page: what the command line does, in a browser, for those whose
//! role allows it.
//!
//! The server makes every page; a form is posted and answered by the page that
//! it leads to. What is changed goes the way of the control socket, with the
//! name of who did it in the ledger. One script draws the live charts; without
//! it nothing else is missing.

mod configuration;
mod desk;
mod findings;
mod gate;
mod groups;
mod incidents;
mod keys;
mod ledger;
mod overview;
mod paper;
mod rules;
mod show;
mod upstreams;
mod users;
mod view;

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use surgewall_core::role::Action;

use crate::door::Door;
use desk::{Asked, Desk, Done, Trouble};
use view::View;

/// A page of the admin listener, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminPage {
    /// How the door does.
    Overview,
    /// The same as JSON, for the charts.
    Live,
    /// The gate before sign-up.
    Gate,
    /// Accounts.
    Users,
    /// One account.
    User,
    /// Groups.
    Groups,
    /// One group.
    Group,
    /// Keys.
    Keys,
    /// One key.
    Key,
    /// Rules and their states.
    Rules,
    /// Upstreams.
    Upstreams,
    /// The inbox of findings.
    Findings,
    /// One finding.
    Finding,
    /// Records of the ledger.
    Ledger,
    /// The configuration in force and those before it.
    Configuration,
    /// Incidents.
    Incidents,
    /// One incident.
    Incident,
}

impl AdminPage {
    /// What whoever looks at it has to be allowed.
    const fn to_see(self) -> Action {
        match self {
            Self::Overview | Self::Live | Self::Gate | Self::Upstreams => Action::SeeDoor,
            Self::Incidents | Self::Incident => Action::SeeDoor,
            Self::Users | Self::User | Self::Groups | Self::Group => Action::SeePeople,
            Self::Keys | Self::Key => Action::SeePeople,
            Self::Rules | Self::Findings | Self::Finding | Self::Configuration => {
                Action::SeeFindings
            }
            Self::Ledger => Action::SeeLedger,
        }
    }

    /// What whoever changes something there has to be allowed.
    const fn to_change(self) -> Action {
        match self {
            Self::Gate => Action::MoveGate,
            Self::Rules | Self::Findings | Self::Finding => Action::ChangeRules,
            Self::Configuration => Action::ChangeConfiguration,
            _ => Action::ManagePeople,
        }
    }
}

/// Answers a request for `page`.
pub(crate) async fn answer(door: Arc<Door>, page: AdminPage, request: Request) -> Response {
    let changes = request.method() == http::Method::POST;
    let action = if changes { page.to_change() } else { page.to_see() };
    let (desk, asked) = match desk::open(&door, action, request).await {
        Ok(opened) => opened,
        Err(response) => return *response,
    };
    if page == AdminPage::Live {
        return overview::live(&desk);
    }
    let answered =
        if changes { act(&desk, page, &asked).await } else { see(&desk, page, &asked).await };
    desk.answer(page, &asked, answered)
}

async fn see(desk: &Desk, page: AdminPage, asked: &Asked) -> Result<Done, Trouble> {
    let view: View = match page {
        AdminPage::Overview | AdminPage::Live => overview::view(desk),
        AdminPage::Gate => gate::view(desk).await?,
        AdminPage::Users => users::list(desk, asked).await?,
        AdminPage::User => users::one(desk, asked.id()).await?,
        AdminPage::Groups => groups::list(desk, asked).await?,
        AdminPage::Group => groups::one(desk, asked.id()).await?,
        AdminPage::Keys => keys::list(desk, asked).await?,
        AdminPage::Key => keys::one(desk, asked.id()).await?,
        AdminPage::Rules => rules::list(desk).await?,
        AdminPage::Upstreams => upstreams::list(desk),
        AdminPage::Findings => findings::list(desk, asked).await?,
        AdminPage::Finding => findings::one(desk, asked.id()).await?,
        AdminPage::Ledger => ledger::list(desk, asked).await?,
        AdminPage::Configuration => configuration::view(desk, asked).await?,
        AdminPage::Incidents => incidents::list(desk).await?,
        AdminPage::Incident => incidents::one(desk, asked.id()).await?,
    };
    Ok(Done::Page(view))
}

async fn act(desk: &Desk, page: AdminPage, asked: &Asked) -> Result<Done, Trouble> {
    match page {
        AdminPage::Gate => gate::act(desk, asked).await,
        AdminPage::Users => users::create(desk, asked).await,
        AdminPage::User => users::set(desk, asked).await,
        AdminPage::Groups => groups::create(desk, asked).await,
        AdminPage::Group => groups::set(desk, asked).await,
        AdminPage::Keys => keys::create(desk, asked).await,
        AdminPage::Key => keys::act(desk, asked).await,
        AdminPage::Rules => rules::set(desk, asked).await,
        AdminPage::Finding => findings::set(desk, asked).await,
        AdminPage::Configuration => configuration::restore(desk, asked).await,
        _ => Err(Trouble::nothing_there()),
    }
}
