//! Every text of a request, with its escapes undone: what a search for secrets
//! and personal data looks through.

use super::media::{MEDIA, is_medium};
use crate::json::{Holder, Listener};

/// Gives each text of a body to `each` while it is walked, names of fields
/// included: whatever an upstream is given. Images and other media are left out,
/// by value and by address.
pub struct Texts<'e> {
    each: &'e mut dyn FnMut(&str),
    /// For what is open: whether a field above may hold media.
    open: Vec<bool>,
    /// The same for the value that comes next.
    is_media: bool,
    is_broken: bool,
}

impl<'e> Texts<'e> {
    /// Of a body that is not walked yet.
    pub fn new(each: &'e mut dyn FnMut(&str)) -> Self {
        Self { each, open: Vec::new(), is_media: false, is_broken: false }
    }

    /// Whether one of the texts could not be given, because an escape in it stands
    /// for no character: what it holds is not known.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.is_broken
    }
}

impl<'a> Listener<'a> for Texts<'_> {
    fn key(&mut self, name: &str, _: &'a str) {
        (self.each)(name);
        let is_above = self.open.last().copied().unwrap_or_default();
        self.is_media = is_above || MEDIA.contains(&name);
    }

    fn string(&mut self, text: &str, _: &'a str) {
        if !(self.is_media && is_medium(text)) {
            (self.each)(text);
        }
    }

    fn broken(&mut self, _: &'a str) {
        self.is_broken = true;
    }

    fn scalar(&mut self, raw: &'a str) {
        // A card's number is one, too; most numbers are short.
        if raw.parse::<u64>().is_ok_and(|number| number >= NUMBER_MIN) {
            (self.each)(raw);
        }
    }

    fn open(&mut self, _: Holder) {
        self.open.push(self.is_media);
    }

    fn close(&mut self, _: &'a str) {
        self.open.pop();
        self.is_media = self.open.last().copied().unwrap_or_default();
    }
}

/// Numbers below have too few digits to be anybody's.
pub(super) const NUMBER_MIN: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::walk;

    /// The texts of `body`; `None` where they are not all known.
    fn read(body: &str) -> Option<Vec<String>> {
        let mut found = Vec::new();
        let mut each = |text: &str| found.push(text.to_owned());
        let mut texts = Texts::new(&mut each);
        walk(body, 128, &mut [&mut texts]).ok().filter(|()| !texts.is_broken())?;
        Some(found)
    }

    #[test]
    fn every_text_is_given_with_its_escapes_undone() {
        let body = r#"{"user":"a\u0040b","messages":[{"content":"x:\nsk-1"},[null,true,7,4111111111111111,1.5]]}"#;
        let expected = ["user", "a@b", "messages", "content", "x:\nsk-1", "4111111111111111"]
            .map(str::to_owned);
        assert_eq!(read(body).unwrap(), expected);
    }

    #[test]
    fn media_are_left_out_and_texts_beside_them_are_not() {
        let data = "QUJD".repeat(40);
        let body = format!(
            r#"{{"a":"{data}","source":{{"type":"text","data":"a document","more":["{data}","https://x.example/a"]}},"image_url":{{"url":"data:image/png;base64,{data}"}}}}"#
        );
        let found = read(&body).unwrap();
        assert!(found.contains(&"a document".to_owned()), "{found:?}");
        assert_eq!(found.iter().filter(|text| **text == data).count(), 1, "outside of media only");
        assert!(!found.iter().any(|text| text.contains("://") || text.contains(";base64")));
    }

    #[test]
    fn what_cannot_be_read_to_its_end_is_refused() {
        let deep = |levels: usize| format!("{}\"x\"{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(read(&deep(100)).unwrap(), ["x"]);
        for bad in [deep(200), "{\"a\":".to_owned(), String::new(), "\"\\ud800\"".to_owned()] {
            assert_eq!(read(&bad), None);
        }
    }
}
