//! One call to one server: to its first byte, or to the end of an answer that
//! is not streamed.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use surgewall_core::config::schema::Dialect;
use surgewall_core::limits::{UPSTREAM_BODY_BYTES_MAX, UPSTREAM_ERROR_BYTES_MAX};
use surgewall_core::refusal::{Refusal, UpstreamFault};
use surgewall_wire::answer::{self, AnswerOptions};
use surgewall_wire::error;
use surgewall_wire::request::{self, UpstreamOptions};
use surgewall_wire::restore::Words;
use surgewall_wire::stream::{StreamOptions, Tally};
use tokio::time::{Instant, timeout, timeout_at};

use super::Failure;
use crate::pipeline::Arrival;
use crate::pipeline::parse::Asked;
use crate::pipeline::reservation::Reservation;
use crate::upstream::{Backend, Call, Head, Leased, Line, Seen, Target, UpstreamBody};

/// What an upstream answered.
pub enum Answer {
    /// A whole answer, already in the client's dialect.
    Whole {
        /// The body.
        body: Bytes,
        /// What was counted in it.
        tally: Tally,
    },
    /// The beginning of a stream.
    Streamed(Streamed),
}

/// The beginning of a stream: its first bytes, and where the rest comes from.
pub struct Streamed {
    /// The first bytes, in the upstream's dialect.
    pub first: Bytes,
    /// The rest; `None` where `first` is all there is.
    pub rest: Option<(UpstreamBody, Leased)>,
    /// How to translate it.
    pub options: StreamOptions,
    /// When the first event has to be here.
    pub first_by: Instant,
    /// Between two events.
    pub idle_gap: Duration,
    /// The end of the whole answer.
    pub deadline: Instant,
    /// What is put back into it.
    pub words: Words,
}

impl Answer {
    /// With what was taken out of the request put back.
    fn with(self, words: Words) -> Self {
        match self {
            answer if words.is_empty() => answer,
            Self::Whole { body, tally } => Self::Whole { body: words.put_back_whole(body), tally },
            Self::Streamed(streamed) => Self::Streamed(Streamed { words, ..streamed }),
        }
    }
}

/// Calls one server of `target`.
///
/// # Errors
/// It gave no usable answer, or refused the request itself.
pub(super) async fn attempt(
    arrival: &Arrival,
    asked: &Asked,
    reservation: &mut Reservation,
    target: &Target,
    mut lease: Leased,
) -> Result<Answer, Failure> {
    let pool = &target.pool;
    let options = UpstreamOptions {
        dialect: pool.dialect(),
        output_tokens_default: reservation.output_bound().max(1),
    };
    let dialect = arrival.route.dialect;
    let body = request::for_upstream(
        dialect,
        &options,
        asked.endpoint,
        &asked.body,
        &asked.facts,
        &target.model,
    )
    .map_err(Failure::Final)?;
    let (body, words) = asked.taken_out.of(pool, body);
    let translate = translation(arrival, asked, reservation, target);
    let client = match pool.backend() {
        Backend::Handbook(handbook) => {
            reservation.dispatched(asked.facts.stream);
            let said = handbook.answer(&body, asked.facts.stream, translate.created_s);
            return in_process(asked, &said, translate);
        }
        Backend::Network(client) => client,
    };
    let path = request::upstream_path(pool.dialect(), asked.endpoint, dialect);
    let call = Call {
        uri: lease.uri(path).map_err(|_| retry(UpstreamFault::Connect))?,
        method: Method::POST,
        body,
        request_id: Some(&translate.request_id),
        traceparent: arrival.trace.traceparent(),
        client_headers: Some(&asked.headers),
        stream: asked.facts.stream,
    };
    let times = pool.times();
    let deadline = Instant::now() + times.total;
    let patience = if asked.facts.stream { times.first_token } else { times.total };
    let first_by = Instant::now() + patience;
    reservation.dispatched(asked.facts.stream);
    let head = match timeout_at(first_by, client.send(call)).await {
        Ok(Ok(head)) => head,
        Ok(Err(fault)) => return Err(failed(&mut lease, fault)),
        Err(_) => return Err(failed(&mut lease, UpstreamFault::Timeout)),
    };
    let line = head.extensions().get::<Line>().cloned();
    reservation.observed(head.extensions().get::<Seen>().and_then(|seen| seen.0));
    let by = Times { first_by, idle_gap: times.idle_gap, deadline };
    let answer = read(head, asked, translate, lease, by).await;
    let answer = answer.map(|answer| answer.with(words));
    if let (Err(Failure::Retry(fault)), Some(line)) = (&answer, line)
        && *fault != UpstreamFault::Overloaded
    {
        // It may have been the answer to another request, and the next one ours.
        line.distrust();
    }
    answer
}

/// When an answer has to be here.
struct Times {
    first_by: Instant,
    idle_gap: Duration,
    deadline: Instant,
}

async fn read(
    head: Head,
    asked: &Asked,
    options: StreamOptions,
    mut lease: Leased,
    times: Times,
) -> Result<Answer, Failure> {
    let Times { first_by, idle_gap, deadline } = times;
    let head = accept(head, &mut lease).await?;
    if !asked.facts.stream {
        return whole(head, asked, options, &mut lease, first_by).await;
    }
    let (first, rest) = first_bytes(head, options.upstream, &mut lease, first_by).await?;
    lease.succeeded();
    let rest = Some((rest, lease));
    let words = Words::default();
    Ok(Answer::Streamed(Streamed { first, rest, options, first_by, idle_gap, deadline, words }))
}

fn retry(fault: UpstreamFault) -> Failure {
    Failure::Retry(fault)
}

fn failed(lease: &mut Leased, fault: UpstreamFault) -> Failure {
    lease.failed();
    retry(fault)
}

fn translation(
    arrival: &Arrival,
    asked: &Asked,
    reservation: &Reservation,
    target: &Target,
) -> StreamOptions {
    StreamOptions {
        client: arrival.route.dialect,
        upstream: target.pool.dialect(),
        endpoint: asked.endpoint,
        // An alias is shown under the name that the client asked for.
        shown_model: (target.model != asked.facts.model).then(|| asked.facts.model.clone()),
        include_usage: asked.facts.include_usage,
        request_id: arrival.request_id.to_string(),
        created_s: arrival.at.seconds(),
        input_tokens_estimate: reservation.input_estimate(),
        form: asked.facts.form.clone(),
    }
}

/// An answer that the door makes itself goes the same way as any other.
fn in_process(asked: &Asked, said: &Bytes, options: StreamOptions) -> Result<Answer, Failure> {
    if asked.facts.stream {
        let idle_gap = Duration::from_secs(60);
        let deadline = Instant::now() + idle_gap;
        return Ok(Answer::Streamed(Streamed {
            first: said.clone(),
            rest: None,
            options,
            first_by: deadline,
            idle_gap,
            deadline,
            words: Words::default(),
        }));
    }
    translate_whole(said, options)
}

fn translate_whole(body: &Bytes, options: StreamOptions) -> Result<Answer, Failure> {
    let options = AnswerOptions {
        client: options.client,
        upstream: options.upstream,
        endpoint: options.endpoint,
        shown_model: options.shown_model,
        request_id: options.request_id,
        created_s: options.created_s,
        input_tokens_estimate: options.input_tokens_estimate,
        form: options.form,
    };
    match answer::for_client(&options, body) {
        Ok((body, tally)) => Ok(Answer::Whole { body, tally }),
        Err(_) => Err(retry(UpstreamFault::Garbage)),
    }
}

/// Judges the head: only a plain 2xx goes on.
async fn accept(head: Head, lease: &mut Leased) -> Result<Head, Failure> {
    let status = head.status();
    let fault = match status {
        _ if status.is_success() => return Ok(head),
        _ if status.is_redirection() => UpstreamFault::Redirect,
        StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::PAYMENT_REQUIRED
        | StatusCode::PROXY_AUTHENTICATION_REQUIRED => UpstreamFault::Credential,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            tracing::debug!(retry_after = ?head.headers().get(RETRY_AFTER), "upstream is overloaded");
            // A server that sheds load is not broken: it is not ejected for it.
            return Err(retry(UpstreamFault::Overloaded));
        }
        _ if status.as_u16() == 529 => return Err(retry(UpstreamFault::Overloaded)),
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => UpstreamFault::Timeout,
        _ if status.is_client_error() => return Err(rejected(head, lease).await),
        _ => UpstreamFault::ServerError,
    };
    Err(failed(lease, fault))
}

/// The upstream refused the request itself: its words go on, bounded and cleaned.
async fn rejected(head: Head, lease: &Leased) -> Failure {
    let status = head.status().as_u16();
    #[expect(clippy::disallowed_methods, reason = "limited by UPSTREAM_ERROR_BYTES_MAX")]
    let body = Limited::new(head.into_body(), UPSTREAM_ERROR_BYTES_MAX).collect();
    let body = match timeout(Duration::from_secs(5), body).await {
        Ok(Ok(body)) => body.to_bytes(),
        _ => Bytes::new(),
    };
    let said = error::read_upstream(lease.pool().dialect(), &body);
    let message = said.message.map(|message| lease.pool().without_secrets(&message));
    let message = message.unwrap_or_else(|| "The model's server refused the request.".into());
    Failure::Final(Refusal::UpstreamRejected { status, message, code: said.code })
}

async fn whole(
    head: Head,
    asked: &Asked,
    options: StreamOptions,
    lease: &mut Leased,
    by: Instant,
) -> Result<Answer, Failure> {
    debug_assert!(!asked.facts.stream);
    #[expect(clippy::disallowed_methods, reason = "limited by UPSTREAM_BODY_BYTES_MAX")]
    let body = Limited::new(head.into_body(), UPSTREAM_BODY_BYTES_MAX).collect();
    let body = match timeout_at(by, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            return Err(failed(lease, UpstreamFault::Garbage));
        }
        Ok(Err(_)) => return Err(failed(lease, UpstreamFault::Broke)),
        Err(_) => return Err(failed(lease, UpstreamFault::Timeout)),
    };
    let answer = translate_whole(&body, options);
    if answer.is_ok() {
        lease.succeeded()
    } else {
        lease.failed()
    }
    answer
}

/// The stream's first bytes: until they are here, another server may be asked.
async fn first_bytes(
    head: Head,
    dialect: Dialect,
    lease: &mut Leased,
    by: Instant,
) -> Result<(Bytes, UpstreamBody), Failure> {
    let kind = head.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    if !kind.starts_with(request::stream_content_type(dialect)) {
        return Err(failed(lease, UpstreamFault::Garbage));
    }
    let mut body = head.into_body();
    loop {
        match timeout_at(by, body.frame()).await {
            Ok(Some(Ok(frame))) => match frame.into_data() {
                // Blank lines say nothing: a server that sends only those has not answered.
                Ok(data) if !data.trim_ascii().is_empty() => return Ok((data, body)),
                _ => {}
            },
            Ok(Some(Err(_)) | None) => return Err(failed(lease, UpstreamFault::Broke)),
            Err(_) => return Err(failed(lease, UpstreamFault::Timeout)),
        }
    }
}
