//! `surgewall admin gate`.

use surgewall_core::gate::{GateView, MovedBy};
use surgewall_store::gate::{
    GateReply, GateRequest, GateShown, InviteView, LetIn, PlaceView, Revoked,
};

use super::show::{minute, sheet};
use crate::cli::Shape;
use crate::cli::admin::gate as typed;
use crate::commands::office::{gate as ask, unexpected};
use crate::fault::Fault;
use crate::place::Place;
use crate::show::table::{Column, table};
use crate::show::{count, err, json, out, plain};

/// Carries out an operation on the gate.
///
/// # Errors
/// Why it was not carried out.
pub(super) async fn gate(place: &Place, asked: typed::Gate) -> Result<(), Fault> {
    match asked {
        typed::Gate::Show(asked) => show(place, GateRequest::Show, asked.format).await,
        typed::Gate::Move(asked) => {
            let request = GateRequest::Move { to: asked.step, reason: asked.reason };
            show(place, request, asked.format).await
        }
        typed::Gate::Invite(asked) => invite(place, asked).await,
        typed::Gate::Waiting(asked) => waiting(place, asked).await,
    }
}

async fn show(place: &Place, request: GateRequest, format: Shape) -> Result<(), Fault> {
    let GateReply::Shown(shown) = ask(place, request).await? else { return Err(unexpected()) };
    match format {
        Shape::Json => json(&shown),
        Shape::Text => {
            sheet(&lines(&shown));
            Ok(())
        }
    }
}

fn lines(shown: &GateShown) -> Vec<(&'static str, String)> {
    let GateView { step, reason, since, by } = &shown.view;
    let by = match by {
        MovedBy::Config => "by the configuration",
        MovedBy::Hand => "by hand",
        MovedBy::Pressure => "by pressure",
    };
    let mut lines = vec![
        ("step", step.to_string()),
        ("means", step.public_words().to_owned()),
        ("since", format!("{}, {by}", minute(*since))),
        ("reason", reason.clone()),
        ("waiting", count(shown.waiting, "place")),
    ];
    if shown.base != *step {
        lines.push(("when calm", format!("back to {}", shown.base)));
    }
    lines
}

async fn invite(place: &Place, asked: typed::Invite) -> Result<(), Fault> {
    match asked {
        typed::Invite::Create(asked) => {
            let typed::InviteCreate { uses, days, note, by } = asked;
            let request = GateRequest::InviteCreate { uses, days, note, by };
            let GateReply::Invited(made) = ask(place, request).await? else {
                return Err(unexpected());
            };
            err(&format!("made invite {}; its token is shown only this once\n", made.invite.id));
            out(&format!("{}\n", made.token.0.expose()));
            Ok(())
        }
        typed::Invite::List(asked) => {
            let mut rows: Vec<InviteView> = Vec::new();
            let mut after = None;
            loop {
                let reply = ask(place, GateRequest::InviteList { after }).await?;
                let GateReply::Invites(page) = reply else { return Err(unexpected()) };
                rows.extend(page.rows);
                match page.next {
                    Some(next) => after = Some(next.to_string()),
                    None => return invites(&rows, asked.format),
                }
            }
        }
        typed::Invite::Revoke(asked) => {
            let request = GateRequest::InviteRevoke { id: asked.id, tree: asked.tree };
            let GateReply::Revoked(revoked) = ask(place, request).await? else {
                return Err(unexpected());
            };
            self::revoked(&revoked, asked.format)
        }
    }
}

const INVITE: [Column; 6] = [
    Column::Left("id"),
    Column::Left("state"),
    Column::Left("used"),
    Column::Left("until"),
    Column::Left("given by"),
    Column::Left("note"),
];

fn invites(rows: &[InviteView], format: Shape) -> Result<(), Fault> {
    if format == Shape::Json {
        return json(&rows);
    }
    let row = |invite: &InviteView| {
        let by = invite.made_by.as_ref();
        vec![
            invite.id.to_string(),
            invite.state.as_str().to_owned(),
            format!("{} of {}", invite.uses, invite.uses_max),
            minute(invite.expires_at),
            by.map_or_else(|| "the operator".to_owned(), ToString::to_string),
            invite.note.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    };
    if !rows.is_empty() {
        out(&table(&INVITE, rows.iter().map(row).collect()));
    }
    err(&format!("{}\n", count(rows.len() as u64, "invite")));
    Ok(())
}

fn revoked(revoked: &Revoked, format: Shape) -> Result<(), Fault> {
    if format == Shape::Json {
        return json(revoked);
    }
    let ids = revoked.invites.iter().chain(&revoked.accounts);
    out(&ids.map(|id| format!("{id}\n")).collect::<String>());
    err(&format!(
        "{} revoked; {} came by them and stay as they are: `surgewall admin user set ID --suspend` shuts one out\n",
        count(revoked.invites.len() as u64, "invite"),
        count(revoked.accounts.len() as u64, "account"),
    ));
    Ok(())
}

async fn waiting(place: &Place, asked: typed::Waiting) -> Result<(), Fault> {
    match asked {
        typed::Waiting::List(asked) => {
            let mut rows: Vec<PlaceView> = Vec::new();
            let mut after = None;
            loop {
                let reply = ask(place, GateRequest::WaitingList { after }).await?;
                let GateReply::Waiting(page) = reply else { return Err(unexpected()) };
                rows.extend(page.places);
                match page.next {
                    Some(next) => after = Some(next),
                    None => return places(&rows, asked.format),
                }
            }
        }
        typed::Waiting::Admit(asked) => {
            let days = match asked.days {
                Some(days) => days,
                None => place.load()?.config.gate.turn_days,
            };
            let request = GateRequest::WaitingAdmit { count: asked.count, days };
            let GateReply::LetIn(LetIn { places, waiting }) = ask(place, request).await? else {
                return Err(unexpected());
            };
            if asked.format == Shape::Json {
                return json(&LetIn { places, waiting });
            }
            out(&places
                .iter()
                .map(|place| format!("{}\n", plain(&place.email)))
                .collect::<String>());
            err(&format!(
                "{} may make an account for {days} days; {} still\n",
                count(places.len() as u64, "person").replace("persons", "people"),
                if waiting == 1 { "1 waits".to_owned() } else { format!("{waiting} wait") },
            ));
            Ok(())
        }
    }
}

const PLACE: [Column; 3] = [Column::Right("place"), Column::Left("who"), Column::Left("since")];

fn places(rows: &[PlaceView], format: Shape) -> Result<(), Fault> {
    if format == Shape::Json {
        return json(&rows);
    }
    let row = |(at, place): (usize, &PlaceView)| {
        vec![(at + 1).to_string(), place.email.clone(), minute(place.joined_at)]
    };
    if !rows.is_empty() {
        out(&table(&PLACE, rows.iter().enumerate().map(row).collect()));
    }
    err(&format!("{}\n", count(rows.len() as u64, "place")));
    Ok(())
}
