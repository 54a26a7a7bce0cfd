//! As one JSON object: complete, for other programs. docs/export.md describes it.

use std::io::{self, Write};

use super::{Head, Item, Sink, Summary, Written};
use crate::conversations::{Attachment, Message};
use serde::Serialize;

/// Whether a member is one value or a list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    One,
    Many,
}

/// Members after `export`, in their order.
const TOP: &[(&str, Form)] = &[
    ("account", Form::One),
    ("end_user", Form::One),
    ("group", Form::One),
    ("keys", Form::Many),
    ("conversations", Form::Many),
    ("records", Form::Many),
    ("ledger", Form::Many),
    ("summary", Form::One),
];
/// Members of a conversation after its own.
const INSIDE: &[(&str, Form)] = &[
    ("content", Form::Many),
    ("draft", Form::One),
    ("answers", Form::Many),
    ("shares", Form::Many),
];

/// Members of an object, written in a fixed order: what is left out is `null`
/// or an empty list.
struct Members {
    all: &'static [(&'static str, Form)],
    at: usize,
    written: usize,
}

impl Members {
    const fn new(all: &'static [(&'static str, Form)]) -> Self {
        Self { all, at: 0, written: 0 }
    }

    /// Writes what stands before the next value of the member `name`.
    fn enter(&mut self, out: &mut impl Write, name: &str) -> io::Result<()> {
        loop {
            let Some((found, form)) = self.all.get(self.at) else {
                return Err(io::Error::other("what is held came in another order"));
            };
            if *found != name {
                self.leave(out)?;
                continue;
            }
            if self.written == 0 {
                let bracket = if *form == Form::Many { "[" } else { "" };
                write!(out, ",\n\"{name}\":{bracket}")?;
            } else {
                writeln!(out, ",")?;
            }
            self.written += 1;
            return Ok(());
        }
    }

    /// Ends the member that is being written.
    fn leave(&mut self, out: &mut impl Write) -> io::Result<()> {
        if let Some((name, form)) = self.all.get(self.at) {
            match (form, self.written) {
                (Form::One, 0) => write!(out, ",\n\"{name}\":null")?,
                (Form::Many, 0) => write!(out, ",\n\"{name}\":[]")?,
                (Form::One, _) => {}
                (Form::Many, _) => write!(out, "]")?,
            }
        }
        (self.at, self.written) = (self.at + 1, 0);
        Ok(())
    }

    /// Ends all members.
    fn end(&mut self, out: &mut impl Write) -> io::Result<()> {
        while self.at < self.all.len() {
            self.leave(out)?;
        }
        Ok(())
    }
}

/// An export as JSON.
pub struct Json<W> {
    out: W,
    top: Members,
    /// Of the conversation that is open.
    inside: Option<Members>,
}

impl<W: Write> Json<W> {
    /// Begins one.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn new(mut out: W, head: &Head) -> io::Result<Self> {
        write!(out, "{{\"export\":")?;
        serde_json::to_writer(&mut out, head)?;
        Ok(Self { out, top: Members::new(TOP), inside: None })
    }

    fn top(&mut self, name: &str, value: &impl Serialize) -> io::Result<()> {
        self.close_conversation()?;
        self.top.enter(&mut self.out, name)?;
        Ok(serde_json::to_writer(&mut self.out, value)?)
    }

    fn inside(&mut self, name: &str, value: &impl Serialize) -> io::Result<()> {
        let Some(inside) = &mut self.inside else {
            return Err(io::Error::other("content came outside of a conversation"));
        };
        inside.enter(&mut self.out, name)?;
        Ok(serde_json::to_writer(&mut self.out, value)?)
    }

    fn close_conversation(&mut self) -> io::Result<()> {
        if let Some(mut inside) = self.inside.take() {
            inside.end(&mut self.out)?;
            write!(self.out, "}}")?;
        }
        Ok(())
    }

    fn open_conversation(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.close_conversation()?;
        self.top.enter(&mut self.out, "conversations")?;
        let object = serde_json::to_string(value)?;
        self.out.write_all(object.strip_suffix('}').unwrap_or(&object).as_bytes())?;
        self.inside = Some(Members::new(INSIDE));
        Ok(())
    }
}

/// A message with what hangs on it.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    message: &'a Message,
    attached: &'a [Attachment],
}

impl<W: Write> Sink for Json<W> {
    fn take(&mut self, item: &Item) -> io::Result<()> {
        match item {
            Item::Account(account) => self.top("account", account),
            Item::EndUser(user) => self.top("end_user", user),
            Item::Group(group) => self.top("group", group),
            Item::Key(key) => self.top("keys", key),
            Item::Conversation(conversation) => self.open_conversation(conversation),
            Item::Message(message, attached) => {
                self.inside("content", &Whole { message, attached })
            }
            Item::Draft(draft) => self.inside("draft", draft),
            Item::Answer(answer) => self.inside("answers", answer),
            Item::Share(share) => self.inside("shares", share),
            Item::Record(record) => self.top("records", record),
            Item::Decision(decision) => self.top("ledger", decision),
        }
    }
}

impl<W: Write> Written for Json<W> {
    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        self.top("summary", summary)?;
        self.top.end(&mut self.out)?;
        self.out.write_all(b"}\n")?;
        self.out.flush()
    }
}
