//! An answer that comes while its page is looked at: the page stays open and
//! grows, with no script and no reloading. It is as long as a page may be; what
//! is longer goes on on the next one. A reader holds a number and no text:
//! however slowly it reads, the answer does not wait for it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use askama::filters::{Escaper as _, Html};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::unfold;
use http::header::{HeaderName, HeaderValue};
use surgewall_shield::admission::gate::Place;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::page::who;
use super::room::{fitting, html_len, withheld};
use super::show::{Tail, words};
use crate::chat::call::Asked;
use crate::chat::job::{Done, Ended, Job, Standing, Watcher};
use crate::chat::said::{Piece, Voice};
use crate::chat::ticket;
use crate::door::Door;
use crate::listen::Purpose;
use crate::pages::written;
use crate::session::holds;

/// Between two looks at the place in the line.
const BEAT: Duration = Duration::from_secs(2);
/// Beats after which a page on which nothing happens says that it lives.
const QUIET_BEATS: u32 = 5;
/// Beats between two places that are told: twice as many each time, up to this.
const PLACE_BEATS_MAX: u32 = 16;
/// Places that a page tells; then it ends, and can be asked for anew.
const PLACES_MAX: u32 = 12;
/// What stands around the answer: its head, notes and links, in bytes.
const FRAME_BYTES: usize = 700;

/// Where the page is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Stage {
    /// Nothing was told.
    New,
    /// Places in the line are told.
    Line,
    /// Its turn has come.
    Turn,
    /// The answer's frame stands.
    Open,
    /// Its text is being written.
    Text,
}

/// A page with an answer that is under way.
pub(super) struct Live {
    door: Arc<Door>,
    watcher: Watcher,
    /// The session by which it is looked at.
    session: Option<[u8; 32]>,
    tail: Tail,
    /// Where it goes on in the answer.
    at: u64,
    /// Bytes of the answer's text so far.
    text_at: usize,
    /// Bytes of it that stood on pages before.
    skip: usize,
    /// Bytes of the page that are left.
    left: usize,
    stage: Stage,
    said_something: bool,
    told: Option<String>,
    places: u32,
    beats: u32,
    due: u32,
    beat: Interval,
}

/// `head`, and then `live` as it comes.
pub(super) fn stream(head: String, live: Live) -> Response {
    let pages = unfold((Some(head), Some(live)), |(head, live)| async move {
        if let Some(head) = head {
            return Some((Ok::<Bytes, Infallible>(Bytes::from(head)), (None, live)));
        }
        let mut live = live?;
        let (html, goes_on) = live.next().await;
        Some((Ok(Bytes::from(html)), (None, goes_on.then_some(live))))
    });
    let mut response = written(Body::from_stream(pages));
    // nginx holds streams back otherwise.
    let unbuffered = HeaderName::from_static("x-accel-buffering");
    response.headers_mut().insert(unbuffered, HeaderValue::from_static("no"));
    response
}

impl Live {
    /// The answer of `watcher` from a byte of its text on, in so many bytes of a page.
    pub(super) fn new(
        asked: &Asked<'_>,
        watcher: Watcher,
        (skip, room): (usize, usize),
        tail: Tail,
    ) -> Self {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beat.reset();
        Self {
            door: asked.door.clone(),
            session: asked.asker.session,
            watcher,
            tail,
            at: 0,
            text_at: 0,
            skip,
            left: room.saturating_sub(FRAME_BYTES),
            stage: Stage::New,
            said_something: false,
            told: None,
            places: 0,
            beats: 0,
            due: 0,
            beat,
        }
    }

    fn job(&self) -> &Job {
        &self.watcher.job
    }

    /// What comes next, and whether more may follow.
    async fn next(&mut self) -> (String, bool) {
        let mut out = String::new();
        loop {
            // With the session, at each piece and at each beat.
            let session = self.session.as_ref();
            if !session.is_some_and(|session| holds(&self.door, Purpose::Public, session)) {
                return (String::new(), false);
            }
            // Before looking: what changes meanwhile is not missed.
            self.watcher.changed.mark_unchanged();
            let standing = self.job().standing();
            if let Standing::Queued(Some(place)) = &standing {
                self.wait(&mut out, place);
            }
            if self.places >= PLACES_MAX {
                self.end_page(&mut out, "", "Look again");
                return (out, false);
            }
            while let Some((piece, next)) = self.job().piece(self.at) {
                if !self.take(&mut out, &piece) {
                    let at = format!("?at={}", self.text_at);
                    self.end_page(&mut out, &at, "Read on");
                    return (out, false);
                }
                self.at = next;
            }
            if let Standing::Ended(ended) = &standing {
                self.end(&mut out, ended);
                return (out, false);
            }
            if !out.is_empty() {
                return (out, true);
            }
            tokio::select! {
                // The sender lives as long as the job.
                _ = self.watcher.changed.changed() => {}
                _ = self.beat.tick() => {
                    self.beats += 1;
                    if self.beats.is_multiple_of(QUIET_BEATS) {
                        return ("\n".to_owned(), true);
                    }
                }
            }
        }
    }

    /// Tells the place in the line, if it is another one and not told too often. Of
    /// all that were told the style shows the last.
    fn wait(&mut self, out: &mut String, place: &Place) {
        if self.beats < self.due {
            return;
        }
        let words = ticket::words(&self.door, place);
        if self.told.as_deref() == Some(words.as_str()) {
            return;
        }
        if self.stage == Stage::New {
            out.push_str("<div class=\"places\" role=\"status\">\n");
            self.stage = Stage::Line;
        }
        let before = out.len();
        out.push_str("<p>");
        escape(out, &words);
        out.push_str("</p>\n");
        self.left = self.left.saturating_sub(out.len() - before);
        self.told = Some(words);
        self.places += 1;
        self.due = self.beats + (1 << self.places.min(5)).min(PLACE_BEATS_MAX);
    }

    /// Writes a piece of the answer; false where it has no room any more.
    fn take(&mut self, out: &mut String, piece: &Piece) -> bool {
        match piece {
            Piece::Said(Voice::Thinking, _) => {
                if self.stage < Stage::Open {
                    self.open(out);
                    if self.skip == 0 {
                        out.push_str("<p class=\"hint\">The model is thinking.</p>\n");
                    }
                }
                true
            }
            Piece::Said(Voice::Text, text) => {
                let passed = self.skip.saturating_sub(self.text_at).min(text.len());
                let passed = text.floor_char_boundary(passed);
                self.text_at += passed;
                let text = text.get(passed..).unwrap_or_default();
                text.is_empty() || self.say(out, text)
            }
            Piece::Withheld(_) if self.text_at < self.skip => true,
            Piece::Withheld(tombstone) => {
                let part = withheld(tombstone);
                if part.len() > self.left && self.said_something {
                    return false;
                }
                self.close(out);
                self.open(out);
                out.push_str("<p class=\"warning\">");
                escape(out, &part.text);
                out.push_str("</p>\n");
                self.left = self.left.saturating_sub(part.len());
                self.said_something = true;
                true
            }
        }
    }

    fn say(&mut self, out: &mut String, text: &str) -> bool {
        if self.left == 0 && self.said_something {
            return false;
        }
        if self.stage < Stage::Text {
            self.open(out);
            // A line end right behind the tag is none.
            out.push_str("<pre class=\"words\" dir=\"auto\">\n");
            self.stage = Stage::Text;
        }
        let fits = fitting(text, self.left);
        let shown = text.get(..fits).unwrap_or_default();
        escape(out, shown);
        self.left = self.left.saturating_sub(html_len(shown));
        self.text_at += fits;
        self.said_something = true;
        fits == text.len()
    }

    /// Opens the answer's frame, if it is not.
    fn open(&mut self, out: &mut String) {
        self.turn(out);
        if self.stage < Stage::Open {
            out.push_str("<article class=\"message assistant\">\n<h2>");
            escape(out, &who(&self.job().model));
            out.push_str("</h2>\n");
            self.stage = Stage::Open;
        }
    }

    /// The line is over, if there was one.
    fn turn(&mut self, out: &mut String) {
        if self.stage == Stage::Line {
            out.push_str("</div>\n");
        }
        if self.stage < Stage::Turn {
            self.stage = Stage::Turn;
        }
    }

    /// Closes the text, if it is open.
    fn close(&mut self, out: &mut String) {
        if self.stage == Stage::Text {
            out.push_str("</pre>\n");
            self.stage = Stage::Open;
        }
    }

    /// The page is full, and the answer is not over.
    fn end_page(&mut self, out: &mut String, at: &str, link: &str) {
        self.close(out);
        self.turn(out);
        out.push_str(&format!("<p><a href=\"/lite/{}{at}\">{link}</a></p>\n", self.tail.id));
        if self.stage == Stage::Open {
            out.push_str("</article>\n");
        }
        self.tail.compose = None;
        self.follow(out);
    }

    /// The answer is over: what can be said next.
    fn end(&mut self, out: &mut String, ended: &Ended) {
        self.close(out);
        self.turn(out);
        if let Ended::Done(done) = ended {
            for note in notes(done) {
                out.push_str("<p class=\"hint\">");
                escape(out, &note);
                out.push_str("</p>\n");
            }
        }
        if self.stage == Stage::Open {
            out.push_str("</article>\n");
        }
        let question = self.job().kept.as_ref().map_or(0, |kept| kept.parent);
        if let Some(compose) = &mut self.tail.compose {
            match ended {
                Ended::Done(Done { message: Some(number), state, .. }) => {
                    compose.follow(*number, question, *state != "whole");
                }
                Ended::Done(_) | Ended::Failed(_) => compose.follow(question, question, false),
            }
        }
        if let Ended::Failed(fault) = ended {
            self.tail.fault = Some(words(fault));
        }
        self.follow(out);
    }

    fn follow(&self, out: &mut String) {
        // Writing to a String cannot fail; what did not is half a page, and says so.
        if let Err(error) = askama::Template::render_into(&self.tail, out) {
            tracing::warn!(%error, "the end of a page could not be written");
        }
    }
}

/// How an answer ended, where it is no whole one.
fn notes(done: &Done) -> Vec<String> {
    let ended = match done.state {
        "stopped" => Some("You stopped this answer.".to_owned()),
        "partial" => Some("This answer broke off.".to_owned()),
        _ => None,
    };
    let why = done.fault.as_ref().map(|fault| fault.message.clone());
    ended.into_iter().chain(why).collect()
}

fn escape(out: &mut String, text: &str) {
    // Writing to a String cannot fail.
    let _ = Html.write_escaped_str(out, text);
}
