//! A report by a stranger: bounded, unverified, sealed, for the operator to read.

use std::time::Duration;

use surgewall_core::clock::Timestamp;
use surgewall_core::finding::{Confidence, Finding, Severity};
use surgewall_core::id::PublicId;
use surgewall_core::principal::Network;
use surgewall_shield::gcra::Rate;
use surgewall_store::findings::{InboxError, Report};

use super::{HOUR, plain};
use crate::door::Door;
use crate::wait::Terms;

/// What it is about, in characters.
pub(crate) const TITLE_CHARS_MAX: usize = 120;
/// What was seen, in bytes.
pub(crate) const TEXT_BYTES_MAX: usize = 3 << 10;
/// How to answer, in bytes.
pub(crate) const REPLY_BYTES_MAX: usize = 200;
/// Reports of one network in an hour.
pub(crate) const NETWORK_PER_HOUR: u32 = 10;
/// Reports in an hour.
const PER_HOUR: u32 = 200;
/// Reports that stand unread, or were read and not closed.
pub(crate) const STANDING_MAX: u32 = 500;
/// Nobody fills in the form faster, in seconds.
pub(crate) const WAIT_S: u32 = 4;
/// A form that stays open for longer, in seconds, is not taken any more.
const GOOD_S: u32 = 6 * 3_600;

/// Who tells it to the inbox.
const PRODUCER: &str = "stranger";

/// What a report may be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A weakness of this service.
    Weakness,
    /// Somebody uses it to do harm.
    Abuse,
    /// A site, an app or an account that pretends to be it.
    Fake,
    /// Something else.
    Other,
}

impl Kind {
    /// All of them, as the form lists them.
    pub(crate) const ALL: [Self; 4] = [Self::Weakness, Self::Abuse, Self::Fake, Self::Other];

    /// The word of the form and of the rule.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Weakness => "weakness",
            Self::Abuse => "abuse",
            Self::Fake => "fake",
            Self::Other => "other",
        }
    }

    /// What the form calls it.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Weakness => "A weakness of this service",
            Self::Abuse => "Somebody uses it to do harm",
            Self::Fake => "A site, app or account that pretends to be this service",
            Self::Other => "Something else",
        }
    }

    /// Somebody should look at it soon, or some day.
    const fn severity(self) -> Severity {
        match self {
            Self::Weakness | Self::Abuse | Self::Fake => Severity::Warning,
            Self::Other => Severity::Note,
        }
    }
}

/// What was typed into the form.
#[derive(Clone, Copy, Default)]
pub(crate) struct Typed<'a> {
    /// One of [`Kind`].
    pub(crate) kind: &'a str,
    /// What it is about.
    pub(crate) title: &'a str,
    /// What was seen.
    pub(crate) text: &'a str,
    /// How to answer; may be empty.
    pub(crate) reply: &'a str,
    /// The ticket that came with the form.
    pub(crate) ticket: &'a str,
}

/// Why a report was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// Something is missing, or too long.
    Form(&'static str),
    /// The form was sent at once, twice, or was open for hours.
    Ticket,
    /// Too many came of one network, or of all.
    TooMany(Duration),
    /// As many stand unread as may.
    Full,
}

/// A ticket for a form that is opened now.
pub(crate) fn ticket(door: &Door, network: Network) -> String {
    door.disclosures.waits.ticket(door.clock.now(), network)
}

/// Takes a report in; gives the number that it has.
///
/// # Errors
/// The inbox failed.
pub(crate) async fn take(
    door: &Door,
    network: Network,
    typed: &Typed<'_>,
) -> Result<Result<PublicId, NotTaken>, InboxError> {
    let now = door.clock.now();
    let number = PublicId::random("report");
    let finding = match finding(typed, &number)
        .and_then(|finding| may_tell(door, network, typed.ticket, now).map(|()| finding))
    {
        Ok(finding) => finding,
        Err(why) => return Ok(Err(why)),
    };
    let reported = door.report(Report::told(PRODUCER, finding, STANDING_MAX)).await?;
    Ok(if reported.left_out > 0 { Err(NotTaken::Full) } else { Ok(number) })
}

fn may_tell(door: &Door, network: Network, ticket: &str, now: Timestamp) -> Result<(), NotTaken> {
    let disclosures = &door.disclosures;
    let paces = (NETWORK_PER_HOUR, PER_HOUR);
    disclosures.reports.admit(network, now, paces).map_err(NotTaken::TooMany)?;
    // The pace holds already: a ticket only has to be good, and once.
    let rate = Rate::new(PER_HOUR, HOUR, PER_HOUR);
    let terms = Terms { wait_s: WAIT_S, good_s: GOOD_S, rate };
    if disclosures.waits.take(now, network, ticket, &terms) {
        Ok(())
    } else {
        Err(NotTaken::Ticket)
    }
}

/// What the operator reads. Nobody verified it.
fn finding(typed: &Typed<'_>, number: &PublicId) -> Result<Finding, NotTaken> {
    let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == typed.kind);
    let kind = kind.ok_or(NotTaken::Form("Choose what it is about."))?;
    let (title, text, reply) = (plain(typed.title), plain(typed.text), plain(typed.reply));
    let title = title.replace('\n', " ");
    if title.is_empty() || title.chars().count() > TITLE_CHARS_MAX {
        return Err(NotTaken::Form("Say in a few words what it is about: up to 120 characters."));
    }
    if text.is_empty() || text.len() > TEXT_BYTES_MAX {
        return Err(NotTaken::Form("Say what you saw: up to 3,000 letters."));
    }
    if reply.len() > REPLY_BYTES_MAX {
        return Err(NotTaken::Form("Say more shortly how you can be reached."));
    }
    let reply = if reply.is_empty() { "nobody: they left no address" } else { reply.as_str() };
    let finding = Finding {
        confidence: Confidence::Possible,
        ..Finding::new(
            kind.severity(),
            &format!("told.{}", kind.as_str()),
            format!("{number}: {title}"),
        )
    };
    Ok(finding
        .evidence(format!("{text}\n\nAnswer to: {}", reply.replace('\n', " ")))
        .advice(
            "A stranger wrote this, and nothing of it is verified. Look into it, answer them, then close it.",
        ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Typed<'static> =
        Typed { kind: "weakness", title: "t", text: "x", reply: "", ticket: "" };

    fn is_taken(typed: &Typed<'_>) -> bool {
        finding(typed, &PublicId::random("report")).is_ok()
    }

    #[test]
    fn each_field_has_its_bound() {
        let long = |chars: usize| "é".repeat(chars);
        let check = |typed: Typed<'_>, expected| assert_eq!(is_taken(&typed), expected);
        check(GOOD, true);
        for kind in ["", "Weakness", "told", "weakness "] {
            check(Typed { kind, ..GOOD }, false);
        }
        for (chars, taken) in
            [(0, false), (1, true), (TITLE_CHARS_MAX, true), (TITLE_CHARS_MAX + 1, false)]
        {
            check(Typed { title: &long(chars), ..GOOD }, taken);
        }
        for (chars, taken) in
            [(0, false), (TEXT_BYTES_MAX / 2, true), (TEXT_BYTES_MAX / 2 + 1, false)]
        {
            check(Typed { text: &long(chars), ..GOOD }, taken);
        }
        for (chars, taken) in
            [(0, true), (REPLY_BYTES_MAX / 2, true), (REPLY_BYTES_MAX / 2 + 1, false)]
        {
            check(Typed { reply: &long(chars), ..GOOD }, taken);
        }
        check(Typed { text: " \u{202e}\u{7} ", ..GOOD }, false);
    }

    #[test]
    fn all_of_a_report_fits_into_a_finding() {
        use surgewall_store::findings::{SUBJECT_BYTES_MAX, TEXT_BYTES_MAX as EVIDENCE_BYTES_MAX};
        let (title, text) = ("é".repeat(TITLE_CHARS_MAX), "x".repeat(TEXT_BYTES_MAX));
        let reply = "r".repeat(REPLY_BYTES_MAX);
        let typed = Typed { title: &title, text: &text, reply: &reply, ..GOOD };
        let told = finding(&typed, &PublicId::random("report")).unwrap();
        assert!(told.subject.len() <= SUBJECT_BYTES_MAX);
        assert!(told.evidence.len() <= EVIDENCE_BYTES_MAX && told.evidence.ends_with('r'));
        assert_eq!((told.rule.as_str(), told.confidence), ("told.weakness", Confidence::Possible));
    }
}
