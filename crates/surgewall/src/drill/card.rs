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
}

impl Act {
    /// What is played.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Burst => "a burst on the API, clients that cut",
            Self::Kill => "kill -9 under load",
            Self::Credentials => "credentials that must not work",
            Self::Leak => "a leaked data directory",
        }
    }

    /// The row that it answers for. Some carry the rest and have none.
    const fn row(self) -> Option<usize> {
        match self {
            Self::Burst | Self::Kill => None,
            Self::Leak => Some(4),
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

    /// The colour in a terminal and in the picture; the word always stands beside it.
    const fn colours(self) -> (&'static str, &'static str) {
        match self {
            Self::Held => ("\u{1b}[32m", "#1a7f37"),
            Self::Failed => ("\u{1b}[31m", "#cf222e"),
            Self::NotBuilt => ("\u{1b}[2m", "#6e7781"),
        }
    }
}

#[derive(Debug, Serialize)]
struct Line {
    title: &'static str,
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
        self.acts.push(Line { title: act.title(), row: act.row(), result, evidence });
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
        let result = |row: usize| {
            let acts = || self.acts.iter().filter(|line| line.row == Some(row));
            match acts().count() {
                0 => Ending::NotBuilt,
                _ if acts().all(|line| line.result == Ending::Held) => Ending::Held,
                _ => Ending::Failed,
            }
        };
        let rows = ROWS.iter().enumerate();
        rows.map(|(at, what)| Row { row: at + 1, what, result: result(at + 1) }).collect()
    }

    /// The lines of the card: a number or nothing, a title, a result.
    fn lines(&self) -> Vec<(String, &'static str, Ending)> {
        let carried = self.acts.iter().filter(|line| line.row.is_none());
        let acts = carried.map(|line| (String::new(), line.title, line.result));
        let rows = self.rows().into_iter().map(|row| (row.row.to_string(), row.what, row.result));
        acts.chain(rows).collect()
    }

    /// The card for a terminal.
    pub(super) fn text(&self, colour: bool) -> String {
        let line = |(number, title, result): (String, &str, Ending)| {
            let (paint, reset) = if colour { (result.colours().0, "\u{1b}[0m") } else { ("", "") };
            format!("{number:>2}  {title:<38}  {paint}{}{reset}\n", result.as_str())
        };
        self.lines().into_iter().map(line).collect()
    }

    /// The card as a picture that needs no font and no script.
    pub(super) fn svg(&self) -> String {
        const LINE: usize = 22;
        let lines = self.lines();
        let height = lines.len() * LINE + 2 * LINE;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"520\" height=\"{height}\" font-family=\"monospace\" font-size=\"14\" role=\"img\" aria-label=\"surgewall drill deepseek\">\n\
             <rect width=\"520\" height=\"{height}\" rx=\"8\" fill=\"#ffffff\" stroke=\"#d0d7de\"/>\n"
        );
        for (at, (number, title, result)) in lines.iter().enumerate() {
            let y = (at + 1) * LINE + LINE / 2;
            let colour = result.colours().1;
            out += &format!(
                "<text x=\"40\" y=\"{y}\" fill=\"#6e7781\" text-anchor=\"end\">{number}</text>\
                 <text x=\"56\" y=\"{y}\" fill=\"#1f2328\">{title}</text>\
                 <text x=\"420\" y=\"{y}\" fill=\"{colour}\">{}</text>\n",
                result.as_str()
            );
        }
        out + "</svg>\n"
    }
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
        assert!(card.text(false).contains("14  weak API authentication                 held\n"));
    }
}
