//! A page of the admin listener as data: one template shows all of them, so
//! that a page is a pure function of what the door says, and looks like the others.

#![expect(
    clippy::needless_pass_by_value,
    reason = "whatever is shown is handed over, by value or by reference"
)]

/// One page.
#[derive(Debug, Default)]
pub(super) struct View {
    /// Its heading.
    pub(super) title: String,
    /// One sentence below it.
    pub(super) lead: String,
    /// What stands on it, from top to bottom.
    pub(super) sections: Vec<Section>,
}

impl View {
    /// An empty page.
    pub(super) fn new(title: impl Into<String>, lead: impl Into<String>) -> Self {
        Self { title: title.into(), lead: lead.into(), sections: Vec::new() }
    }

    /// With one more section.
    pub(super) fn with(mut self, section: impl Into<Section>) -> Self {
        self.sections.push(section.into());
        self
    }

    /// With one more section, if there is one.
    pub(super) fn maybe(self, section: Option<impl Into<Section>>) -> Self {
        match section {
            Some(section) => self.with(section),
            None => self,
        }
    }
}

/// A part of a page.
#[derive(Debug)]
pub(super) enum Section {
    /// Rows.
    Table(Table),
    /// Names and what they are.
    Facts(Facts),
    /// Something to fill in.
    Form(Form),
    /// Lines as they are, in one width.
    Text(Text),
    /// Where the script draws how the door does.
    Live,
}

impl From<Table> for Section {
    fn from(table: Table) -> Self {
        Self::Table(table)
    }
}
impl From<Facts> for Section {
    fn from(facts: Facts) -> Self {
        Self::Facts(facts)
    }
}
impl From<Form> for Section {
    fn from(form: Form) -> Self {
        Self::Form(form)
    }
}
impl From<Text> for Section {
    fn from(text: Text) -> Self {
        Self::Text(text)
    }
}

/// Rows under columns.
#[derive(Debug)]
pub(super) struct Table {
    /// What stands above it.
    pub(super) heading: &'static str,
    /// The columns' names.
    pub(super) columns: &'static [&'static str],
    /// The rows, each with one cell a column.
    pub(super) rows: Vec<Vec<Cell>>,
    /// What is said instead where there is no row.
    pub(super) empty: &'static str,
    /// Where the rows go on.
    pub(super) next: Option<String>,
}

/// Names and what they are.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// What stands above them.
    pub(super) heading: &'static str,
    /// The facts, in order.
    pub(super) facts: Vec<(&'static str, Cell)>,
}

impl Facts {
    /// Facts under a heading.
    pub(super) const fn new(heading: &'static str) -> Self {
        Self { heading, facts: Vec::new() }
    }

    /// With one more.
    pub(super) fn with(mut self, name: &'static str, cell: impl Into<Cell>) -> Self {
        self.facts.push((name, cell.into()));
        self
    }
}

/// Lines as they are.
#[derive(Debug)]
pub(super) struct Text {
    /// What stands above them.
    pub(super) heading: &'static str,
    /// The lines.
    pub(super) text: String,
}

/// One cell of a table, or one fact.
#[derive(Debug)]
pub(super) enum Cell {
    /// Words.
    Text(String),
    /// An id, a limit, a number: in one width.
    Code(String),
    /// Words that lead to another page of this listener.
    Link {
        /// The path.
        href: String,
        /// The words.
        text: String,
    },
    /// A state: a word and how good it is.
    Tag {
        /// The word.
        text: String,
        /// How good it is.
        tone: Tone,
    },
    /// One or more buttons.
    Buttons(Vec<Form>),
}

impl Cell {
    /// An id, a limit, a number.
    pub(super) fn code(text: impl ToString) -> Self {
        Self::Code(text.to_string())
    }

    /// Words that lead elsewhere.
    pub(super) fn link(href: impl Into<String>, text: impl ToString) -> Self {
        Self::Link { href: href.into(), text: text.to_string() }
    }

    /// A state.
    pub(super) fn tag(text: impl ToString, tone: Tone) -> Self {
        Self::Tag { text: text.to_string(), tone }
    }

    /// Several in one width, or a dash.
    pub(super) fn list<T: ToString>(texts: impl IntoIterator<Item = T>) -> Self {
        let texts: Vec<_> = texts.into_iter().map(|text| text.to_string()).collect();
        if texts.is_empty() { Self::none() } else { Self::Code(texts.join(", ")) }
    }

    /// Nothing to say.
    pub(super) fn none() -> Self {
        Self::Text("-".to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// How good a state is. The word carries it; the colour only repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// Neither.
    Plain,
    /// As it should be.
    Good,
    /// Worth a look.
    Watch,
    /// To be dealt with.
    Bad,
}

impl Tone {
    /// The class of the stylesheet.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Plain => "badge",
            Self::Good => "badge good",
            Self::Watch => "badge warn",
            Self::Bad => "badge bad",
        }
    }
}

/// Something to fill in, or only a button.
#[derive(Debug)]
pub(super) struct Form {
    /// What stands above it; empty for a button.
    pub(super) heading: &'static str,
    /// Where it is sent.
    pub(super) action: String,
    /// Whether it only asks (GET) and changes nothing.
    pub(super) asks: bool,
    /// The fields.
    pub(super) fields: Vec<Field>,
    /// The word on the button.
    pub(super) submit: &'static str,
    /// Whether it takes away what does not come back.
    pub(super) danger: bool,
}

impl Form {
    /// A form under a heading.
    pub(super) fn new(
        heading: &'static str,
        action: impl Into<String>,
        submit: &'static str,
    ) -> Self {
        let action = action.into();
        Self { heading, action, asks: false, fields: Vec::new(), submit, danger: false }
    }

    /// Only a button.
    pub(super) fn button(action: impl Into<String>, submit: &'static str) -> Self {
        Self::new("", action, submit)
    }

    /// One that changes nothing.
    pub(super) fn asks(mut self) -> Self {
        self.asks = true;
        self
    }

    /// One that takes away what does not come back.
    pub(super) fn danger(mut self) -> Self {
        self.danger = true;
        self
    }

    /// With a field that nobody sees.
    pub(super) fn hidden(self, name: &'static str, value: impl ToString) -> Self {
        self.field(name, "", Kind::Hidden(value.to_string()))
    }

    /// With a line to fill in.
    pub(super) fn line(
        self,
        name: &'static str,
        label: &'static str,
        value: impl ToString,
    ) -> Self {
        self.field(name, label, Kind::Line(value.to_string()))
    }

    /// With a choice; the first of an option's texts is sent, the second is read.
    pub(super) fn choice(
        self,
        name: &'static str,
        label: &'static str,
        options: Vec<(String, String)>,
        chosen: &str,
    ) -> Self {
        let options = options.into_iter();
        let options = options.map(|(value, text)| Choice { chosen: value == chosen, value, text });
        self.field(name, label, Kind::Choice(options.collect()))
    }

    /// With a box to tick.
    pub(super) fn tick(self, name: &'static str, label: &'static str, on: bool) -> Self {
        self.field(name, label, Kind::Tick(on))
    }

    fn field(mut self, name: &'static str, label: &'static str, kind: Kind) -> Self {
        self.fields.push(Field { name, label, kind });
        self
    }
}

/// One field of a form.
#[derive(Debug)]
pub(super) struct Field {
    /// What it is sent as.
    pub(super) name: &'static str,
    /// What stands beside it.
    pub(super) label: &'static str,
    /// What kind it is.
    pub(super) kind: Kind,
}

/// What kind a field is.
#[derive(Debug)]
pub(super) enum Kind {
    /// Nobody sees it.
    Hidden(String),
    /// A line.
    Line(String),
    /// One of several.
    Choice(Vec<Choice>),
    /// A box.
    Tick(bool),
}

/// One of several.
#[derive(Debug)]
pub(super) struct Choice {
    /// What is sent.
    pub(super) value: String,
    /// What is read.
    pub(super) text: String,
    /// Whether it is chosen.
    pub(super) chosen: bool,
}
