//! As a page to read: one file, without a script, nothing loaded from anywhere.

use std::io::{self, Write};

use serde_json::Value;
use surgewall_core::clock::Timestamp;
use surgewall_core::decision::Changed;
use surgewall_store::conversations::{Attachment, Body, Conversation, Message, Role, State};
use surgewall_store::export::{Item, RecordView, Sink, Summary};

use super::{Export, Head};
use crate::show::html;

/// The parts of the page, in their order: anchor, heading, what opens a part's
/// content and what closes it.
const PARTS: [(&str, &str, &str, &str); 4] = [
    ("facts", "What is known about you", "", ""),
    ("conversations", "Your conversations", "", ""),
    ("records", "What the operator recorded of your requests", "", ""),
    (
        "decisions",
        "What the door decided",
        "<table><tr><th>No.</th><th>When</th><th>What</th><th>Details</th></tr>\n",
        "</table>\n",
    ),
];
const FACTS: usize = 0;
const CONVERSATIONS: usize = 1;
const RECORDS: usize = 2;
const DECISIONS: usize = 3;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;\
padding:0 1rem;color:#1b1b1f;background:#fff}h1,h2{line-height:1.2}h2{margin-top:3rem}\
table{border-collapse:collapse;width:100%;font-size:.875rem}th,td{text-align:left;\
vertical-align:top;padding:.25rem .5rem;border-bottom:1px solid #d7d7de;overflow-wrap:anywhere}\
pre{white-space:pre-wrap;overflow-wrap:anywhere;font:inherit;margin:.25rem 0}\
article{border-left:3px solid #8a8a99;padding:.25rem .75rem;margin:.75rem 0}\
article.user{border-color:#2f6fde}header,.small{font-size:.875rem;color:#55555f}\
details{margin:.5rem 0}summary{cursor:pointer}\
@media (prefers-color-scheme:dark){body{color:#e6e6eb;background:#17171a}\
th,td{border-color:#3a3a42}header,.small{color:#a5a5b0}}";

/// An export as HTML.
pub(crate) struct Html<W> {
    out: W,
    /// The part that is open: the index in [`PARTS`], counted from 1.
    part: usize,
    /// Whether it holds anything.
    filled: bool,
    in_conversation: bool,
}

/// `text` so that it is text and nothing else, wherever it stands.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        // A page may not hold them; a form feed or a bell says nothing to read.
        let is_void = c.is_control() && !matches!(c, '\n' | '\t');
        html::push(if is_void { '\u{fffd}' } else { c }, &mut escaped);
    }
    escaped
}

impl<W: Write> Html<W> {
    pub(super) fn new(mut out: W, head: &Head) -> io::Result<Self> {
        let about = escape(&head.about);
        write!(
            out,
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>What is held about {about}</title>\n\
             <style>{STYLE}</style>\n<h1>What is held about {about}</h1>\n\
             <p>Made at {}, asked for by: {}. Store {}.</p>\n<nav><ul>\n",
            head.made_at,
            escape(head.asked_by),
            escape(&head.store),
        )?;
        for (anchor, heading, _, _) in PARTS {
            writeln!(out, "<li><a href=\"#{anchor}\">{heading}</a>")?;
        }
        out.write_all(b"<li><a href=\"#accesses\">Who accessed it</a>\n<li><a href=\"#summary\">In numbers</a>\n</ul></nav>\n")?;
        Ok(Self { out, part: 0, filled: true, in_conversation: false })
    }

    /// Goes on in the part `index`, past those before it.
    fn part(&mut self, index: usize) -> io::Result<()> {
        while self.part <= index {
            self.close_part()?;
            let Some((anchor, heading, open, _)) = PARTS.get(self.part) else { break };
            write!(self.out, "<h2 id=\"{anchor}\">{heading}</h2>\n{open}")?;
            self.part += 1;
            self.filled = false;
        }
        Ok(())
    }

    fn close_part(&mut self) -> io::Result<()> {
        self.close_conversation()?;
        let Some((_, _, _, close)) = self.part.checked_sub(1).and_then(|at| PARTS.get(at)) else {
            return Ok(());
        };
        self.out.write_all(close.as_bytes())?;
        if !self.filled {
            self.out.write_all(b"<p>Nothing.</p>\n")?;
            self.filled = true;
        }
        Ok(())
    }

    /// A heading and a table of what `value` says.
    fn facts(&mut self, heading: &str, value: &impl serde::Serialize) -> io::Result<()> {
        self.part(FACTS)?;
        self.filled = true;
        write!(self.out, "<h3>{heading}</h3>\n<table>\n")?;
        if let Value::Object(fields) = serde_json::to_value(value)? {
            for (name, value) in fields {
                let (name, value) = (escape(&name.replace('_', " ")), shown(&name, &value));
                writeln!(self.out, "<tr><th>{name}</th><td>{value}</td></tr>")?;
            }
        }
        self.out.write_all(b"</table>\n")
    }

    fn open_conversation(&mut self, chat: &Conversation) -> io::Result<()> {
        self.part(CONVERSATIONS)?;
        self.close_conversation()?;
        self.filled = true;
        self.in_conversation = true;
        let title = chat.title.as_deref().map_or("(erased)".to_owned(), escape);
        let title = if title.is_empty() { "(no title)".to_owned() } else { title };
        write!(
            self.out,
            "<details><summary><b>{title}</b> <span class=\"small\">{} messages, {}</span></summary>\n\
             <p class=\"small\">{}, made {}{}{}</p>\n",
            chat.messages,
            chat.updated_at,
            escape(chat.public_id.as_str()),
            chat.created_at,
            if chat.archived { ", archived" } else { "" },
            if chat.temporary { ", temporary" } else { "" },
        )?;
        match &chat.system_prompt {
            Some(prompt) => self.block("System prompt", prompt),
            None => Ok(()),
        }
    }

    fn close_conversation(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.in_conversation) {
            self.out.write_all(b"</details>\n")?;
        }
        Ok(())
    }

    fn block(&mut self, heading: &str, text: &str) -> io::Result<()> {
        let (heading, text) = (escape(heading), escape(text));
        writeln!(self.out, "<article><header>{heading}</header><pre>{text}</pre></article>")
    }

    fn message(&mut self, message: &Message, attached: &[Attachment]) -> io::Result<()> {
        let (class, who) = match message.role {
            Role::User => ("user", "You"),
            Role::Assistant => ("assistant", "The model"),
        };
        let state = match message.state {
            State::Complete => "",
            State::Stopped => ", stopped",
            State::Partial => ", partial",
        };
        let model = message.body.as_ref().and_then(|body| body.model.as_deref());
        let model = model.map_or(String::new(), |model| format!(" ({})", escape(model)));
        let follows = match message.parent {
            0 => String::new(),
            parent => format!(", after {parent}"),
        };
        let (number, at) = (message.number, message.created_at);
        writeln!(
            self.out,
            "<article class=\"{class}\"><header>{number}{follows}: {who}{model}, {at}{state}</header>"
        )?;
        self.body(message.body.as_ref())?;
        for Attachment { name, text } in attached {
            let (name, text) = (escape(name), escape(text));
            writeln!(
                self.out,
                "<details><summary>Attachment: {name}</summary><pre>{text}</pre></details>"
            )?;
        }
        self.out.write_all(b"</article>\n")
    }

    fn body(&mut self, body: Option<&Body>) -> io::Result<()> {
        let Some(body) = body else { return self.out.write_all(b"<p>(erased)</p>\n") };
        if !body.thinking.is_empty() {
            let thinking = escape(&body.thinking);
            writeln!(
                self.out,
                "<details><summary>Thinking</summary><pre>{thinking}</pre></details>"
            )?;
        }
        writeln!(self.out, "<pre>{}</pre>", escape(&body.text))
    }

    fn record(&mut self, record: &RecordView) -> io::Result<()> {
        self.part(RECORDS)?;
        self.filled = true;
        let (at, request_id, outcome) = (record.at, record.request_id, record.outcome.as_str());
        let cut = if record.cut { ", cut" } else { "" };
        writeln!(
            self.out,
            "<article class=\"user\"><header>{at}: {}, {request_id}, {outcome}{cut}</header>\n\
             <pre>{}</pre></article>\n<article><pre>{}</pre></article>",
            escape(&record.model),
            escape(&record.request),
            escape(&record.answer),
        )
    }

    fn decision(&mut self, decision: &Value) -> io::Result<()> {
        self.part(DECISIONS)?;
        self.filled = true;
        let Value::Object(fields) = decision else { return Ok(()) };
        let text = |name: &str| fields.get(name).map_or(String::new(), |value| shown(name, value));
        let details = fields
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "sequence" | "at" | "record"));
        let details: Vec<_> = details
            .map(|(name, value)| format!("{}: {}", escape(name), shown(name, value)))
            .collect();
        writeln!(
            self.out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            text("sequence"),
            text("at"),
            text("record"),
            details.join("; ")
        )
    }

    fn changes(&mut self, anchor: &str, heading: &str, list: &[Changed]) -> io::Result<()> {
        write!(self.out, "<h2 id=\"{anchor}\">{heading}</h2>\n<ul>\n")?;
        for changed in list {
            let detail = changed.detail.as_deref().unwrap_or_default();
            let (action, detail) = (escape(&changed.action), escape(detail));
            writeln!(self.out, "<li>{}: {action} {detail}", changed.at)?;
        }
        self.out.write_all(if list.is_empty() { b"<li>None.\n</ul>\n" } else { b"</ul>\n" })
    }
}

/// A value in a cell. Members that are named `at` or end with it are instants.
fn shown(name: &str, value: &Value) -> String {
    let is_instant = name == "at" || name.ends_with("_at") || name.ends_with("_since");
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => escape(text),
        Value::Number(number) if is_instant => number
            .as_u64()
            .map_or_else(|| number.to_string(), |at| Timestamp::from_millis(at).to_string()),
        Value::Array(values) if values.is_empty() => "-".to_owned(),
        Value::Array(values) => {
            values.iter().map(|value| shown(name, value)).collect::<Vec<_>>().join(", ")
        }
        other => escape(&other.to_string()),
    }
}

impl<W: Write> Sink for Html<W> {
    fn take(&mut self, item: &Item) -> io::Result<()> {
        match item {
            Item::Account(user) => self.facts("Account", user),
            Item::EndUser(user) => self.facts("End user", user),
            Item::Group(group) => self.facts("Group", group),
            Item::Key(key) => self.facts("Key", key),
            Item::Conversation(chat) => self.open_conversation(chat),
            Item::Message(message, attached) => self.message(message, attached),
            Item::Draft(draft) => self.block("Draft", &draft.text),
            Item::Answer(answer) => {
                self.out
                    .write_all(b"<article><header>An answer that is being written</header>\n")?;
                self.body(answer.body.as_ref())?;
                self.out.write_all(b"</article>\n")
            }
            Item::Share(share) => {
                let (id, leaf) = (escape(share.id.as_str()), share.leaf);
                let (made, end) = (share.created_at, share.expires_at);
                writeln!(
                    self.out,
                    "<p class=\"small\">Shared up to message {leaf} as {id}, from {made} to {end}</p>"
                )
            }
            Item::Record(record) => self.record(record),
            Item::Decision(decision) => self.decision(decision),
        }
    }
}

impl<W: Write> Export for Html<W> {
    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        self.part(PARTS.len())?;
        self.changes("accesses", "Who accessed it", &summary.accesses)?;
        self.changes("class", "How your class came to be", &summary.class_history)?;
        self.out.write_all(b"<h2 id=\"erasures\">Erasures</h2>\n<ul>\n")?;
        for erased in &summary.erasures {
            let (at, keys, receipt) = (erased.at, erased.keys, escape(&erased.signature));
            writeln!(self.out, "<li>{at}: {keys} keys destroyed; receipt {receipt}")?;
        }
        let none: &[u8] = if summary.erasures.is_empty() { b"<li>None.\n" } else { b"" };
        self.out.write_all(none)?;
        self.out.write_all(b"</ul>\n<h2 id=\"summary\">In numbers</h2>\n<table>\n")?;
        if let Value::Object(fields) = serde_json::to_value(summary.counts)? {
            for (name, value) in fields {
                let name = escape(&name.replace('_', " "));
                writeln!(self.out, "<tr><th>{name}</th><td>{}</td></tr>", shown("", &value))?;
            }
        }
        self.out.write_all(b"</table>\n")?;
        for note in &summary.notes {
            writeln!(self.out, "<p>Note: {}</p>", escape(note))?;
        }
        for finding in &summary.findings {
            let text = serde_json::to_string(finding)?;
            writeln!(self.out, "<p>Damage in the ledger: {}</p>", escape(&text))?;
        }
        self.out.write_all(b"</html>\n")?;
        self.out.flush()
    }
}
