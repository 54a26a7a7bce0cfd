//! Text as it grows, within a bound.

/// What a piece of text is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// What is said.
    Text,
    /// What a model thinks before it says something.
    Thinking,
    /// A tool's name, arguments or description.
    Tool,
}

impl Kind {
    const fn mark(self) -> &'static str {
        match self {
            Self::Text => "[text] ",
            Self::Thinking => "[thinking] ",
            Self::Tool => "[tool] ",
        }
    }
}

/// Text, `bytes_max` bytes of it at most.
#[derive(Debug)]
pub(super) struct Transcript {
    text: String,
    bytes_max: usize,
    cut: bool,
    last: Option<Kind>,
}

impl Transcript {
    pub(super) const fn new(bytes_max: usize) -> Self {
        Self { text: String::new(), bytes_max, cut: false, last: None }
    }

    /// Adds a text of its own.
    pub(super) fn piece(&mut self, kind: Kind, text: &str) {
        if self.last == Some(kind) {
            self.push(if kind == Kind::Tool { " " } else { "\n" });
        } else {
            self.turn(kind, kind != Kind::Text || self.last.is_some());
        }
        self.push(text);
    }

    /// Goes on with the text that is being said.
    pub(super) fn delta(&mut self, kind: Kind, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.last != Some(kind) {
            self.turn(kind, kind != Kind::Text || self.last.is_some());
        }
        self.push(text);
    }

    /// Begins what somebody says.
    pub(super) fn role(&mut self, role: &str) {
        self.line();
        for part in ["[", role, "] "] {
            self.push(part);
        }
        self.last = None;
    }

    /// Names what is not kept.
    pub(super) fn medium(&mut self, name: &str) {
        self.line();
        for part in ["[", name, "]"] {
            self.push(part);
        }
        self.last = Some(Kind::Text);
    }

    /// Something is missing.
    pub(super) const fn lost(&mut self) {
        self.cut = true;
    }

    pub(super) fn finish(self) -> (String, bool) {
        (self.text, self.cut)
    }

    fn turn(&mut self, kind: Kind, marked: bool) {
        // A role's first text stands beside it.
        if self.last.is_some() || (marked && !self.text.is_empty()) {
            self.line();
        }
        if marked {
            self.push(kind.mark());
        }
        self.last = Some(kind);
    }

    fn line(&mut self) {
        if !self.text.is_empty() {
            self.push("\n");
        }
    }

    fn push(&mut self, text: &str) {
        let room = self.bytes_max - self.text.len();
        if self.cut || text.len() > room {
            let end = (0..=room.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
            // What comes after a gap would read as if there were none.
            if !std::mem::replace(&mut self.cut, true) {
                self.text.push_str(&text[..end.unwrap_or(0)]);
            }
            return;
        }
        self.text.push_str(text);
    }
}
