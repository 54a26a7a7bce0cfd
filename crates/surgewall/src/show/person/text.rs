//! In short, for a terminal: facts and numbers. The whole is in the other forms.

use std::io::{self, Write};

use surgewall_store::admin::{KeyState, KeyView, UserView};
use surgewall_store::export::{Item, Sink, Summary};

use super::{Export, Head};
use crate::show::{count, findings, plain};

/// An export as text.
pub(crate) struct Text<W> {
    out: W,
}

impl<W: Write> Text<W> {
    pub(super) fn new(mut out: W, head: &Head) -> io::Result<Self> {
        writeln!(out, "What is held about {}, at {}\n", head.about, head.made_at)?;
        Ok(Self { out })
    }

    fn account(&mut self, user: &UserView) -> io::Result<()> {
        writeln!(self.out, "Account {}, made {}", user.id, user.created_at)?;
        if let Some(email) = &user.email {
            writeln!(self.out, "  e-mail     {}", plain(email))?;
        }
        if let Some(external) = &user.external {
            let (issuer, subject) = (plain(&external.issuer), plain(&external.subject));
            writeln!(self.out, "  signs in   {subject} at {issuer}")?;
        }
        let (class, since, why) = (user.class, user.class_since, user.class_why.as_str());
        writeln!(self.out, "  class      {class} since {since} ({why})")?;
        let days = count(user.active_days, "day");
        writeln!(self.out, "  known      since {}, {days} of good use", user.known_since)?;
        if user.suspended {
            writeln!(self.out, "  suspended  yes")?;
        }
        self.limits(&user.limits)
    }

    fn limits(&mut self, limits: &[String]) -> io::Result<()> {
        if limits.is_empty() {
            return Ok(());
        }
        writeln!(self.out, "  limits     {}", plain(&limits.join(", ")))
    }

    fn key(&mut self, key: &KeyView) -> io::Result<()> {
        let last_four = key.last_four.as_ref().map_or(String::new(), |last| format!(" …{last}"));
        let state = match key.state {
            KeyState::Active => "active",
            KeyState::Expired => "expired",
            KeyState::Revoked => "revoked",
            KeyState::Suspended => "suspended",
        };
        let (id, name, made) = (&key.id, plain(&key.name), key.created_at);
        let used = key.last_used_at.map_or("never used".to_owned(), |at| format!("last used {at}"));
        writeln!(self.out, "Key {id} `{name}`{}, {state}, made {made}, {used}", plain(&last_four))
    }
}

impl<W: Write> Sink for Text<W> {
    fn take(&mut self, item: &Item) -> io::Result<()> {
        match item {
            Item::Account(user) => self.account(user),
            Item::EndUser(user) => {
                let (name, key) = (plain(&user.key_name), &user.key);
                writeln!(self.out, "End user {} of the key {key} `{name}`", user.user)?;
                let seen = user.first_seen_at.zip(user.last_seen_at);
                if let Some((first, last)) = seen {
                    writeln!(self.out, "  seen       from {first} to {last}")?;
                }
                writeln!(self.out, "  class      {}", user.class)?;
                self.limits(&user.limits)
            }
            Item::Group(group) => {
                writeln!(self.out, "Group {} `{}`", group.id, plain(&group.name))?;
                self.limits(&group.limits)
            }
            Item::Key(key) => self.key(key),
            Item::Conversation(chat) => {
                let title = chat.title.as_deref().map_or("(erased)".to_owned(), plain);
                let (id, at) = (&chat.public_id, chat.updated_at);
                let messages = count(chat.messages.into(), "message");
                writeln!(self.out, "Conversation {id} `{title}`, {messages}, last written {at}")
            }
            Item::Message(..)
            | Item::Draft(_)
            | Item::Answer(_)
            | Item::Share(_)
            | Item::Record(_)
            | Item::Decision(_) => Ok(()),
        }
    }
}

impl<W: Write> Export for Text<W> {
    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        let counts = &summary.counts;
        writeln!(
            self.out,
            "\n{} kept. The ledger: {} admitted, {} settled, {} refused; {} tokens in, {} out; {}",
            count(counts.records, "recorded request"),
            count(counts.admitted, "request"),
            counts.settled,
            counts.refused,
            counts.input_tokens,
            counts.output_tokens,
            count(counts.changes, "change"),
        )?;
        for changed in &summary.class_history {
            let detail = changed.detail.as_deref().map_or(String::new(), plain);
            writeln!(self.out, "{} class: {} {detail}", changed.at, plain(&changed.action))?;
        }
        for changed in &summary.accesses {
            let detail = changed.detail.as_deref().map_or(String::new(), plain);
            writeln!(self.out, "{} accessed: {} {detail}", changed.at, plain(&changed.action))?;
        }
        for erased in &summary.erasures {
            let (at, keys) = (erased.at, count(erased.keys.into(), "key"));
            writeln!(self.out, "{at} erased: {keys} destroyed, receipt {}", erased.signature)?;
        }
        for note in &summary.notes {
            writeln!(self.out, "note: {note}")?;
        }
        write!(self.out, "{}", findings::text(&summary.findings, false))?;
        writeln!(
            self.out,
            "\nThis is the short form: --format json and --format html hold all of it."
        )?;
        self.out.flush()
    }
}
