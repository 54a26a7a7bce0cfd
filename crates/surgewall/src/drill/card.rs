//! The card: what each act showed and the fourteen rows, as text, JSON and a
//! picture.

use serde::Serialize;

use crate::fault::Fault;
use crate::show::rows::ROWS;

/// An act of the drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// A burst on the API with clients that cut.
    Burst,
    /// `kill -9` under load.
    Kill,
    /// Credentials that must not work.
    Credentials,
    /// A leaked data directory.
    Leak,
    /// A log database that answers without a login.
    Exposure,
    /// The questions of regulators and of one person.
    DataFlow,
    /// Answers that break off.
    Shown,
    /// A flood of strangers.
    Flood,
    /// What the incident report makes of it.
    Cause,
    /// A flood of sign-ups.
    Gate,
}

impl Act {
    /// What is played.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Burst => "a burst on the API, clients that cut",
            Self::Kill => "kill -9 under load",
            Self::Credentials => "credentials that must not work",
            Self::Leak => "a leaked data directory",
            Self::Exposure => "a log database that answers strangers",
            Self::DataFlow => "regulators and one person ask where the data goes",
            Self::Shown => "answers break off, readers leave and come back",
            Self::Flood => "a flood of strangers while established callers go on",
            Self::Cause => "too many users or a flood: the incident report",
            Self::Gate => "a flood of sign-ups while existing users go on",
        }
    }

    /// How far its row goes, where there is more to the row than the act.
    const fn extent(self) -> &'static str {
        match self {
            Self::Burst | Self::Kill | Self::Leak | Self::Exposure | Self::Gate | Self::Cause => "",
            Self::Credentials => "by keys; sessions are held by the tests",
            Self::DataFlow => "by the API; the chat is held by the tests",
            Self::Shown => "what was shown stays; rules that withhold are not built",
            Self::Flood => "applications; packet floods are not built",
        }
    }

    /// The row that it answers for. Some carry the rest and have none.
    const fn row(self) -> Option<usize> {
        match self {
            Self::Burst | Self::Kill => None,
            Self::Flood => Some(1),
            Self::Gate => Some(2),
            Self::Cause => Some(3),
            Self::Leak | Self::Exposure => Some(4),
            Self::Shown => Some(9),
            Self::DataFlow => Some(11),
            Self::Credentials => Some(14),
        }
    }
}

/// How an act or a row ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ending {
    /// It held.
    Held,
    /// It did not.
    Failed,
    /// There is no act for it.
    NotBuilt,
}

impl Ending {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Failed => "failed",
            Self::NotBuilt => "not built",
        }
    }

    /// The colour in a terminal, and its name in the picture; the word always stands beside it.
    const fn colours(self) -> (&'static str, &'static str) {
        match self {
            Self::Held => ("\u{1b}[32m", "held"),
            Self::Failed => ("\u{1b}[31m", "failed"),
            Self::NotBuilt => ("\u{1b}[2m", "dim"),
        }
    }
}

#[derive(Debug, Serialize)]
struct Line {
    title: &'static str,
    #[serde(skip)]
    extent: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<usize>,
    result: Ending,
    evidence: String,
}

#[derive(Debug, Serialize)]
struct Row {
    row: usize,
    what: &'static str,
    result: Ending,
    /// How far that goes.
    #[serde(skip_serializing_if = "str::is_empty")]
    extent: &'static str,
}

/// What the drill showed.
#[derive(Debug, Default)]
pub(super) struct Card {
    acts: Vec<Line>,
}

impl Card {
    /// Notes how an act ended; the words for it.
    pub(super) fn note(&mut self, act: Act, played: Result<String, Fault>) -> String {
        let (result, evidence) = match played {
            Ok(seen) => (Ending::Held, seen),
            Err(fault) => (Ending::Failed, fault.message().to_owned()),
        };
        let words = format!("{}: {evidence}", result.as_str());
        let (title, extent, row) = (act.title(), act.extent(), act.row());
        self.acts.push(Line { title, extent, row, result, evidence });
        words
    }

    /// Whether an act failed.
    pub(super) fn has_failed(&self) -> bool {
        self.acts.iter().any(|line| line.result == Ending::Failed)
    }

    /// The card as JSON: its acts and the fourteen rows.
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::json!({"acts": self.acts, "rows": self.rows()})
    }

    fn rows(&self) -> Vec<Row> {
        let row = |(at, what): (usize, &&'static str)| {
            let acts = || self.acts.iter().filter(|line| line.row == Some(at + 1));
            let result = match acts().count() {
                0 => Ending::NotBuilt,
                _ if acts().all(|line| line.result == Ending::Held) => Ending::Held,
                _ => Ending::Failed,
            };
            let extent = acts().next().map_or("", |line| line.extent);
            Row { row: at + 1, what, result, extent }
        };
        ROWS.iter().enumerate().map(row).collect()
    }

    /// The lines of the card: those of the acts that carry the rest, then the rows.
    fn lines(&self) -> Vec<Shown> {
        let carried = self.acts.iter().filter(|line| line.row.is_none());
        let acts = carried.map(|line| Shown {
            number: String::new(),
            title: line.title,
            result: line.result,
            extent: "",
        });
        let rows = self.rows().into_iter().map(|row| Shown {
            number: row.row.to_string(),
            title: row.what,
            result: row.result,
            extent: row.extent,
        });
        acts.chain(rows).collect()
    }

    /// The card for a terminal.
    pub(super) fn text(&self, colour: bool) -> String {
        let line = |Shown { number, title, result, extent }: Shown| {
            let (paint, reset) = if colour { (result.colours().0, "\u{1b}[0m") } else { ("", "") };
            let word = result.as_str();
            let line = format!("{number:>2}  {title:<38}  {paint}{word:<9}{reset}  {extent}");
            format!("{}\n", line.trim_end())
        };
        self.lines().into_iter().map(line).collect()
    }

    /// The card as a picture that needs no font and no script, light or dark as
    /// the reader has it.
    pub(super) fn svg(&self) -> String {
        const LINE: usize = 22;
        const STYLE: &str = "<style>.page{fill:#fff;stroke:#d0d7de}.words{fill:#1f2328}.dim{fill:#6e7781}\
            .held{fill:#1a7f37}.failed{fill:#cf222e}@media(prefers-color-scheme:dark){.page{fill:#0d1117;stroke:#30363d}\
            .words{fill:#e6edf3}.dim{fill:#9198a1}.held{fill:#3fb950}.failed{fill:#f85149}}</style>\n";
        let lines = self.lines();
        let height = lines.len() * LINE + 2 * LINE;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"860\" height=\"{height}\" font-family=\"monospace\" font-size=\"14\" role=\"img\" aria-label=\"surgewall drill deepseek\">\n\
             {STYLE}<rect class=\"page\" width=\"860\" height=\"{height}\" rx=\"8\"/>\n"
        );
        for (at, Shown { number, title, result, extent }) in lines.iter().enumerate() {
            let y = (at + 1) * LINE + LINE / 2;
            let (class, word) = (result.colours().1, result.as_str());
            out += &format!(
                "<text class=\"dim\" x=\"40\" y=\"{y}\" text-anchor=\"end\">{number}</text>\
                 <text class=\"words\" x=\"56\" y=\"{y}\">{title}</text>\
                 <text class=\"{class}\" x=\"400\" y=\"{y}\">{word}</text>\
                 <text class=\"dim\" x=\"490\" y=\"{y}\">{extent}</text>\n"
            );
        }
        out + "</svg>\n"
    }
}

/// A line of the card.
struct Shown {
    /// The row's, or nothing.
    number: String,
    title: &'static str,
    result: Ending,
    extent: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_holds_only_when_its_act_does_and_is_not_built_without_one() {
        let mut card = Card::default();
        card.note(Act::Burst, Ok("fine".into()));
        card.note(Act::Leak, Err(Fault::new("found it")));
        card.note(Act::Credentials, Ok("fine".into()));
        let results: Vec<_> = card.rows().iter().map(|row| row.result).collect();
        assert_eq!(
            (results[3], results[13], results[0]),
            (Ending::Failed, Ending::Held, Ending::NotBuilt)
        );
        assert!(card.has_failed());
        let text = card.text(false);
        let line = "14  weak API authentication                 held       by keys; sessions are held by the tests\n";
        assert!(text.contains(line), "{text}");
        assert!(text.contains(" 8  jailbreaks                              not built\n"), "{text}");
    }
}
