//! Reading a configuration and pointing at what is wrong with it.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use super::schema::Config;
use super::validate;
use crate::files;
use crate::limits::CONFIG_BYTES_MAX;

/// A configuration that cannot be used: what, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, as the operator named it.
    pub file: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Line (from 1), column (from 1), the line's text, and how many characters to underline.
    pub place: Option<Place>,
}

/// Where in the file it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The line itself.
    pub text: String,
    /// Characters to underline, at least one.
    pub width: usize,
}

impl Place {
    fn of(text: &str, span: &Range<usize>) -> Self {
        let start = floor_boundary(text, span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let end = floor_boundary(text, span.end).clamp(start, line_end);
        Self {
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            text: text[line_start..line_end].to_owned(),
            width: text[start..end].chars().count().max(1),
        }
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        if let Some(place) = &self.place {
            let gutter = place.line.to_string().len();
            write!(f, "\n{:gutter$}--> {}:{}:{}", "", self.file, place.line, place.column)?;
            write!(f, "\n{:gutter$} |", "")?;
            write!(f, "\n{} | {}", place.line, place.text)?;
            let indent = place.column - 1;
            write!(f, "\n{:gutter$} | {:indent$}{}", "", "", "^".repeat(place.width))?;
        } else {
            write!(f, "\n--> {}", self.file)?;
        }
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "\nhint: {hint}"))
    }
}
impl std::error::Error for ConfigError {}

/// Reads and validates the configuration in `path`.
///
/// # Errors
/// The file cannot be read, is too long, is no TOML, has an unknown key or a
/// value that cannot be meant.
pub fn load(path: &Path) -> Result<(Config, String), ConfigError> {
    let file = path.display().to_string();
    let text = files::read_text(path, CONFIG_BYTES_MAX).map_err(|error| ConfigError {
        file: file.clone(),
        message: format!("the configuration cannot be read: {error}"),
        hint: None,
        place: None,
    })?;
    Ok((parse(&file, &text)?, text))
}

/// Reads and validates a configuration's text; `file` is its name in errors.
///
/// # Errors
/// As [`load`].
pub fn parse(file: &str, text: &str) -> Result<Config, ConfigError> {
    let config: Config = toml::from_str(text).map_err(|error| ConfigError {
        file: file.to_owned(),
        message: error.message().replace('\n', "; "),
        hint: None,
        place: error.span().map(|span| Place::of(text, &span)),
    })?;
    match validate::validate(&config) {
        Ok(()) => Ok(config),
        Err(fault) => Err(ConfigError {
            file: file.to_owned(),
            message: fault.message,
            hint: fault.hint,
            place: locate(text, &fault.path).map(|span| Place::of(text, &span)),
        }),
    }
}

/// The span of the value at `path`, or of its nearest parent that the text has.
fn locate(text: &str, path: &[validate::Step]) -> Option<Range<usize>> {
    use toml::de::{DeTable, DeValue};
    let root = DeTable::parse(text).ok()?;
    let mut span = None;
    let mut value = DeValue::Table(root.into_inner());
    for step in path {
        let next = match (step, value) {
            (validate::Step::Key(key), DeValue::Table(table)) => {
                table.into_iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
            }
            (validate::Step::Index(at), DeValue::Array(array)) => array.into_iter().nth(*at),
            _ => None,
        };
        let Some(next) = next else { break };
        span = Some(next.span());
        value = next.into_inner();
    }
    span
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_gets_a_caret() {
        let error = parse("surgewall.toml", "[listen]\npublik = \"x\"\n").unwrap_err();
        let shown = error.to_string();
        assert!(shown.contains("unknown field `publik`"), "{shown}");
        assert!(shown.contains("2 | publik = \"x\"\n  | ^^^^^^"), "{shown}");
    }

    #[test]
    fn a_value_that_cannot_be_meant_gets_a_caret_too() {
        let text = "[[upstream]]\nname = \"a\"\nurl = \"ftp://x\"\n";
        let shown = parse("surgewall.toml", text).unwrap_err().to_string();
        assert!(shown.contains("3 | url = \"ftp://x\"\n  |       ^^^^^^^^^"), "{shown}");
    }

    #[test]
    fn garbage_bytes_never_panic() {
        for text in ["\u{0}", "é = ", "[[", "a = \"\u{1F600}", "[upstream]\n"] {
            assert!(parse("x", text).is_err());
        }
    }
}
