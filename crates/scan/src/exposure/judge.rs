//! What may be asked, and what an answer means: pure, on bytes.

use super::kind::Kind;

/// What a server is sent. Every byte of it is known when this program is built,
/// but for the host's name and the path that the operator configured or named: nothing that was
/// learnt or guessed can get into a request, and there is no word for one that
/// writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// `GET path` over HTTP.
    Get(&'static str),
    /// `GET` of the one path that the operator configured: an upstream's list of models.
    List,
    /// `GET` of this path under the one that the operator named.
    GetUnder(&'static str),
    /// The same with a body, as JSON.
    QuestionUnder {
        /// The path that is asked.
        path: &'static str,
        /// The body.
        json: &'static str,
    },
    /// A question that its service only takes in a body, as JSON.
    Question {
        /// The path that is asked.
        path: &'static str,
        /// The question.
        json: &'static str,
    },
    /// Bytes of another protocol.
    Say {
        /// The request.
        request: &'static [u8],
        /// What is said before the connection closes; it asks nothing.
        goodbye: &'static [u8],
    },
    /// Nothing, for a moment: some servers speak first. This is no request.
    Hear,
    /// Nothing, as long as for an answer: this server speaks first. This is no request.
    Await,
    /// Bytes on the connection that is still open.
    Reply(&'static [u8]),
}

impl Ask {
    /// Whether something is sent.
    pub(crate) fn is_request(&self) -> bool {
        !matches!(self, Self::Hear | Self::Await)
    }
}

/// A question and the judge of its answer.
#[derive(Clone, Copy)]
pub(crate) struct Probe {
    /// The question.
    pub(crate) ask: Ask,
    /// Its judge.
    pub(crate) judge: fn(&Heard<'_>) -> Judged,
}

/// Why no more will be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// The server closed the connection.
    Closed,
    /// The time is over.
    TimeOver,
    /// The bound on an answer is met.
    Full,
}

/// What was heard so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard<'a> {
    /// The answer's bytes.
    pub(crate) bytes: &'a [u8],
    /// Why no more will be read, if it is so.
    pub(crate) end: Option<End>,
}

impl Heard<'_> {
    /// `judged` where this is all; before that, more is waited for.
    pub(crate) fn or_more(&self, judged: Judged) -> Judged {
        if self.end.is_some() { judged } else { Judged::More }
    }

    /// Whether the bytes hold `text`.
    pub(crate) fn says(&self, text: &str) -> bool {
        self.bytes.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

/// What an answer means.
#[derive(Clone)]
#[must_use]
pub(crate) enum Judged {
    /// It is not whole.
    More,
    /// Another question has to be asked; of what it looks like, if of anything.
    Then(Option<&'static Kind>, Probe),
    /// It answered what only somebody with access is answered; in one sentence, what.
    Open(&'static Kind, &'static str),
    /// It asks for a login, or refuses; in one sentence, how it said so.
    Guarded(Option<&'static Kind>, &'static str),
    /// It is that service, or speaks its protocol, and whether it is open cannot be told.
    Unclear(Option<&'static Kind>, &'static str),
    /// It is something else.
    Other,
}

/// One service that can be told from others.
pub(crate) struct Service {
    /// What it is.
    pub(crate) kind: &'static Kind,
    /// Where it usually listens.
    pub(crate) ports: &'static [u16],
    /// Whether it speaks TLS there.
    pub(crate) tls: bool,
    /// How it is asked where it is expected: at most two requests.
    pub(crate) expected: Probe,
    /// How it is asked where it was recognised: one request.
    pub(crate) recognised: Probe,
    /// Whether this answer to `GET /` is a sign of it. Never evidence that it is open.
    pub(crate) is_sign: fn(&Heard<'_>) -> bool,
}

/// For services whose answer to `GET /` says nothing.
pub(crate) fn no_sign(_: &Heard<'_>) -> bool {
    false
}
