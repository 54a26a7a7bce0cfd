//! What the operator keeps of a request, where `[vault] record` asks for it: the
//! text that came, and the text that was delivered. It is gathered as the answer
//! passes and handed to the records at the settlement, however that comes about.

use bytes::BytesMut;
use surgewall_core::clock::Timestamp;
use surgewall_core::decision::{Admitted, Settled};
use surgewall_core::principal::Principal;
use surgewall_core::refusal::Refusal;
use surgewall_core::subject::Subject;
use surgewall_store::records::{EVENT_TEXT_BYTES_MAX, Event, Records, Room, Said};
use surgewall_wire::said::{self, AnswerText};

use super::Arrival;
use super::parse::Asked;
use crate::door::Door;

/// Bytes of text that room is taken for by each token of an answer: most tokens
/// have about four. What is longer is cut, and the record says so.
const BYTES_PER_TOKEN: u64 = 8;
/// The room of an answer at least, in bytes.
const ANSWER_BYTES_MIN: usize = 4 << 10;

/// One request's record, on its way.
pub struct Tap {
    records: Records,
    room: Room,
    subject: Subject,
    at: Timestamp,
    request: Said,
    answer: AnswerText,
}

/// Room for the record of a request, if one is kept: taken before the model is
/// called, so that nothing is answered that should be recorded and cannot be.
///
/// # Errors
/// The records cannot be written, or too much waits for it.
pub async fn tap(
    door: &Door,
    arrival: &Arrival,
    principal: &Principal,
    asked: &Asked,
    output_tokens_max: u64,
) -> Result<Option<Box<Tap>>, Refusal> {
    let Some(records) = door.recording.as_ref().and_then(|records| records.of(arrival.is_chat()))
    else {
        return Ok(None);
    };
    let (text, cut) = said::request(&asked.body, EVENT_TEXT_BYTES_MAX);
    let answer_bytes_max = usize::try_from(output_tokens_max.saturating_mul(BYTES_PER_TOKEN))
        .unwrap_or(usize::MAX)
        .clamp(ANSWER_BYTES_MIN, EVENT_TEXT_BYTES_MAX);
    let room = records.room(text.len() + answer_bytes_max).await;
    let room = room.map_err(|error| Refusal::LedgerUnavailable { why: error.to_string() })?;
    Ok(Some(Box::new(Tap {
        records: records.clone(),
        room,
        subject: Subject::of(principal),
        at: arrival.at,
        request: Said { text, cut },
        answer: AnswerText::new(arrival.route.dialect, answer_bytes_max),
    })))
}

impl Tap {
    /// These bytes of a stream go to the client.
    pub fn delivered(&mut self, bytes: &BytesMut) {
        self.answer.delivered(bytes);
    }

    /// This body goes to the client.
    pub fn whole(&mut self, body: &[u8]) {
        self.answer.whole(body);
    }

    /// The request has ended: its record is written.
    pub fn end(self, admission: &Admitted, settled: &Settled) {
        let Self { records, room, subject, at, request, answer } = self;
        let (text, cut) = answer.finish();
        records.append_detached(
            room,
            Event {
                request_id: admission.request_id,
                at,
                subject,
                region: settled.went.region.clone().unwrap_or_default(),
                model: admission.model.clone(),
                dialect: admission.dialect.clone(),
                outcome: settled.outcome,
                input_tokens: settled.usage.input,
                output_tokens: settled.usage.output,
                request,
                answer: Said { text, cut },
            },
        );
    }
}
